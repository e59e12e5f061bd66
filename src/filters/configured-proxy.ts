import { isThenable, ProxyError } from "../base/errors.ts";
import type { TrafficRow } from "../base/traffic/traffic-row.ts";
import type { PluginRow } from "../plugins/plugin-row.ts";
import type { CacheRules } from "../proxy/caching/http-cache.ts";
import type { MaybePromise, ProxyPhases } from "../proxy/phases.ts";
import type { Session } from "../proxy/session.ts";
import { ClientAddresses } from "./client-addresses.ts";
import { ContentCoding } from "./coding/content-coding.ts";
import { listenerOf } from "./faults/http-faults.ts";
import { changeHeaders } from "./field-changes.ts";
import { compileKey } from "./keys.ts";
import { addLimitFields, compileLimits, type RouteLimits } from "./limits/route-limits.ts";
import { SessionMatcher } from "./matchers/session-matcher.ts";
import { type ChoosePeer, Mirror } from "./mirror.ts";
import { type FilterChain, followedBy, toChain } from "./modules/filter-chain.ts";
import { withFilters } from "./modules/filter-phases.ts";
import type { OwnFilter } from "./modules/own-filter.ts";
import { behindPlugins, withPlugins } from "./plugins/plugin-phases.ts";
import type { ProxyMeans } from "./proxy-means.ts";
import { compileRedirect } from "./redirect.ts";
import { compileRespond } from "./respond.ts";
import { compileRewrite, type RequestRewrite } from "./rewrite.ts";
import { compileCache, PurgeMethod } from "./route-cache.ts";
import { RouteTable, type TableEntry } from "./route-table.ts";
import type {
  Action,
  FieldChanges,
  MirrorSettings,
  ProxySettings,
  RouteSettings,
  UpstreamSettings,
} from "./settings.ts";
import { Split } from "./split.ts";
import { UpstreamGroup } from "./upstream-group.ts";

/** A route made ready: what a session carries from the moment it was chosen. */
interface Route extends TableEntry {
  readonly name: string;
  /** Null when the route answers itself, or spreads its requests. */
  readonly group: UpstreamGroup | null;
  /** The same route once for each of its targets; null when there is but one. */
  readonly split: Split<Route> | null;
  readonly mirror: Mirror | null;
  readonly limits: RouteLimits | null;
  /** What happens to its requests before they go upstream: an answer, limits, faults. Null: nothing. */
  readonly filter: ((session: Session<unknown>) => MaybePromise<unknown>) | null;
  /** The filters that a configuration names for it, those of its listener included. */
  readonly chain: FilterChain | null;
  readonly rewrite: RequestRewrite | null;
  readonly response: FieldChanges | null;
  /** How its responses are compressed and decompressed; null: they stay as they are. */
  readonly coding: ContentCoding | null;
  /** By which its requests are answered from a cache; null: they aren't. */
  readonly cache: CacheRules | null;
  /** What counts its traffic; null: nothing does. */
  readonly traffic: TrafficRow | null;
}

/** The route that took the request; undefined before one did, and where there is nothing to choose. */
export type RouteContext = Route | undefined;

/**
 * The proxy that a configuration describes, for one of its listeners: composed once, so that a request meets only what the
 * configuration asks for. A listener that sends everything to one upstream has nothing but `upstreamPeer`.
 * @throws RangeError when there is no such listener, upstream, plugin or filter
 */
export function createConfiguredProxy(
  settings: ProxySettings,
  listenerName: string,
  means: ProxyMeans,
): ProxyPhases<RouteContext> {
  const listener = listenerOf(settings, listenerName);
  const compiler = new RouteCompiler(settings, listener.forwarding.trustedProxies, means);
  const plugins = toRow(listener.plugins, means);
  const filters = toFilters(listener.filters, means);
  const routes = listener.routes.map((route, i): Route => {
    const compiled = compiler.compile(route);
    const limits = compiler.compileLimits(route);
    const chain = toChain(
      toFilters(route.filters, means),
      `the route ${route.name} of the listener ${listenerName}`,
      filters,
    );
    const filtered = behindChain(chain, compiled.filter);
    const plugged = behindPlugins(toRow(route.plugins, means), filtered, plugins);
    const cache = route.cache === null ? null : compileCache(route.cache, means.caches);
    const purged = behindPurge(compiler.compilePurge(route), cache, means.faults.before(i, plugged));
    const proceed = behindLimits(limits, purged);
    const filter = withTime(route.grpcTimeout, proceed);
    const traffic = means.traffic?.row("route", route.name, listenerName) ?? null;
    return { ...compiled, limits, filter, chain, coding: toCoding(route), cache, traffic };
  });
  const chains = routes.flatMap(({ chain }) => chain ?? []);
  const before = toChain(filters, `the listener ${listenerName}`);
  const phases = withFilters(toPhases(routes, listener.forwarding.trustedProxies), before, chains);
  const isPlugged = plugins !== null || listener.routes.some((route) => route.plugins.length > 0);
  return isPlugged ? withPlugins(phases, plugins) : phases;
}

function toRow(names: readonly string[], { plugins }: ProxyMeans): PluginRow | null {
  if (names.length === 0) return null;
  if (plugins === undefined) throw new RangeError(`There are no plugins, and none called ${names[0]}`);
  return plugins.row(names);
}

function toCoding({ compress, decompress }: RouteSettings): ContentCoding | null {
  return compress === null && decompress === null ? null : new ContentCoding({ compress, decompress });
}

/** The filters of these names. @throws RangeError when there is none of a name */
export function toFilters(
  names: readonly string[],
  { filters }: Pick<ProxyMeans, "filters">,
): readonly OwnFilter[] {
  return names.map((name) => {
    const filter = filters?.get(name);
    if (filter === undefined) throw new RangeError(`There is no filter called ${name}`);
    return filter;
  });
}

/** What filters do before the route itself answers, or the request goes on. */
function behindChain(chain: FilterChain | null, proceed: RequestFilter | null): RequestFilter | null {
  const hooks = chain?.hooks.requestFilter ?? null;
  return hooks === null ? proceed : (session) => followedBy(hooks, session, proceed);
}

function toPhases(routes: readonly Route[], trustedProxies: readonly string[]): ProxyPhases<RouteContext> {
  const [first] = routes;
  if (first !== undefined && isEverything(first)) return toOneGroup(first, first.group!);
  return toRoutes(routes, trustedProxies);
}

type RequestFilter = NonNullable<Route["filter"]>;

/** However long a call waits here, it is its own time. */
function withTime(grpcTimeout: number, proceed: RequestFilter | null): RequestFilter | null {
  if (grpcTimeout === 0) return proceed;
  return (session) => {
    session.limitCall(grpcTimeout);
    return proceed?.(session);
  };
}

/** What is over a limit isn't even struck by faults. */
function behindLimits(limits: RouteLimits | null, proceed: RequestFilter | null): RequestFilter | null {
  if (limits === null) return proceed;
  if (proceed === null) return (session) => limits.before(session);
  return (session) => {
    const isAnswered = limits.before(session);
    if (isThenable(isAnswered)) return isAnswered.then((answered) => (answered ? true : proceed(session)));
    return isAnswered ? true : proceed(session);
  };
}

function behindPurge(
  purge: PurgeMethod | null,
  cache: CacheRules | null,
  proceed: RequestFilter | null,
): RequestFilter | null {
  if (purge === null || cache === null) return proceed;
  return (session) => purge.before(session, cache) ?? proceed?.(session);
}

function isEverything(route: Route): boolean {
  const { match, group, mirror, filter, chain, rewrite, response, coding } = route;
  if (group === null || group.isSticky || chain !== null || coding !== null) return false;
  return match === null && mirror === null && filter === null && rewrite === null && response === null;
}

function toOneGroup({ traffic, cache }: Route, group: UpstreamGroup): ProxyPhases<RouteContext> {
  const phases: ProxyPhases<RouteContext> = {
    upstreamPeer(session) {
      session.routeTraffic = traffic;
      return group.peerFor(session);
    },
  };
  if (cache === null) return phases;
  // What is answered from the cache comes to no server.
  phases.requestFilter = (session) => {
    session.routeTraffic = traffic;
    session.cacheRules = cache;
  };
  return phases;
}

function toRoutes(routes: readonly Route[], trustedProxies: readonly string[]): ProxyPhases<RouteContext> {
  const table = new RouteTable(routes, trustedProxies);
  const phases: ProxyPhases<RouteContext> = {
    requestFilter(session) {
      const route = table.find(session);
      if (route === null) throw new ProxyError("NO_ROUTE");
      session.routeTraffic = route.traffic;
      session.coding = route.coding;
      session.cacheRules = route.cache;
      session.context = route.split === null ? route : route.split.choose(session);
      return route.chain === null ? route.filter?.(session) : route.chain.begin(session, route.filter);
    },
    upstreamPeer: (session) => session.context!.group!.peerFor(session),
  };
  if (routes.some(({ mirror }) => mirror !== null)) {
    // Once for each request, however often servers are chosen for it.
    phases.proxyUpstreamFilter = (session) => {
      session.context!.mirror?.copy(session);
      return true;
    };
  }
  if (routes.some(({ rewrite }) => rewrite !== null)) {
    phases.upstreamRequestFilter = (session, request) => session.context?.rewrite?.(request, session.peer);
  }
  if (routes.some(changesResponse)) {
    phases.responseFilter = (session, { headers }) => {
      const { context } = session;
      addLimitFields(session, headers);
      if (context?.response != null) changeHeaders(headers, context.response);
      // Whoever removes the server's cookies doesn't mean this one.
      const cookie = context?.group?.cookieFor(session) ?? null;
      if (cookie !== null) headers.append("Set-Cookie", cookie);
    };
  }
  return phases;
}

/** A server's response. Those that a route makes itself have its changes already. */
function changesResponse({ group, split, response, limits }: Route): boolean {
  if (limits?.addsFields === true) return true;
  if (group === null && split === null) return false;
  return response !== null || group?.isSticky === true || split?.values.some(changesResponse) === true;
}

/** Makes the routes of one listener ready. */
class RouteCompiler {
  readonly #upstreams: ReadonlyMap<string, UpstreamSettings>;
  readonly #groups = new Map<string, UpstreamGroup>();
  readonly #clients: ClientAddresses;
  readonly #matcher: SessionMatcher;
  readonly #means: ProxyMeans;

  constructor({ upstreams }: ProxySettings, trustedProxies: readonly string[], means: ProxyMeans) {
    this.#upstreams = new Map(upstreams.map((upstream) => [upstream.name, upstream]));
    this.#clients = new ClientAddresses(trustedProxies);
    this.#matcher = new SessionMatcher(trustedProxies);
    this.#means = means;
  }

  compileLimits({ limits }: RouteSettings): RouteLimits | null {
    const { limits: memories, thread, toLimiter } = this.#means;
    return compileLimits(limits, {
      ...{ memories, thread, clients: this.#clients, matcher: this.#matcher },
      ...(toLimiter === undefined ? {} : { toLimiter }),
    });
  }

  compilePurge({ cache }: RouteSettings): PurgeMethod | null {
    if (cache === null || cache.purgeFrom.length === 0) return null;
    return new PurgeMethod(cache.purgeFrom, this.#clients);
  }

  compile({ name, match, action, response }: RouteSettings): Route {
    const base = { name, match, response, readsPath: false };
    const none = {
      group: null,
      split: null,
      mirror: null,
      limits: null,
      filter: null,
      chain: null,
      coding: null,
      cache: null,
      rewrite: null,
      traffic: null,
    };
    switch (action.kind) {
      case "redirect":
        return { ...base, ...none, filter: compileRedirect(action, response) };
      case "respond":
        return { ...base, ...none, filter: compileRespond(action, response) };
      case "upstream":
        return this.#toUpstream({ ...base, ...none }, action);
    }
  }

  #toUpstream(base: Route, action: Action & { kind: "upstream" }): Route {
    const { request, split, mirror } = action;
    const rewrite = request === null ? null : compileRewrite(request);
    const route: Route = {
      ...base,
      rewrite,
      readsPath: (request?.path.length ?? 0) > 0,
      mirror: mirror === null ? null : this.#toMirror(mirror, rewrite),
    };
    if (split === null) return { ...route, group: this.#groupOf(action.upstream) };
    const toRoute = ({ upstream }: { upstream: string }): Route => {
      return { ...route, group: this.#groupOf(upstream) };
    };
    const compile = (match: RouteSettings["match"]): ((session: Session<unknown>) => boolean) | null =>
      match === null ? null : this.#matcher.compile(match);
    return { ...route, split: new Split(split, toRoute, compile, this.#means.random) };
  }

  #toMirror(settings: MirrorSettings, rewrite: RequestRewrite | null): Mirror {
    const group = this.#groupOf(settings.upstream);
    const { forwarding, connector, counters, random } = this.#means;
    const choosePeer: ChoosePeer = (session) => group.peerForCopy(session);
    return new Mirror(settings, { choosePeer, rewrite, forwarding, connector, counters, random });
  }

  #groupOf(name: string): UpstreamGroup {
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const settings = this.#upstreams.get(name);
    const servers = this.#means.groups.get(name);
    if (settings === undefined || servers === undefined)
      throw new RangeError(`There is no upstream ${JSON.stringify(name)}`);
    const { hashBy } = settings;
    const keyOf = hashBy.length === 0 ? null : compileKey(hashBy, this.#clients);
    const group = new UpstreamGroup(
      settings,
      servers,
      keyOf,
      this.#means.traffic?.row("upstream", name) ?? null,
    );
    this.#groups.set(name, group);
    return group;
  }
}
