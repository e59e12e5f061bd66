import { ProxyError } from "../base/errors.ts";
import { freshSeed } from "../base/random.ts";
import type { MaybePromise, ProxyPhases } from "../proxy/phases.ts";
import type { Session } from "../proxy/session.ts";
import { HttpFaults, listenerOf } from "./faults/http-faults.ts";
import { changeHeaders } from "./field-changes.ts";
import { compileRedirect } from "./redirect.ts";
import { compileRespond } from "./respond.ts";
import { compileRewrite, type RequestRewrite } from "./rewrite.ts";
import { RouteTable, type TableEntry } from "./route-table.ts";
import type { FieldChanges, ProxySettings, RouteSettings } from "./settings.ts";
import { UpstreamGroup } from "./upstream-group.ts";

/** A route made ready: what a session carries from the moment it was chosen. */
interface Route extends TableEntry {
  readonly name: string;
  /** Null when the route answers itself. */
  readonly group: UpstreamGroup | null;
  /** What happens to its requests before they go upstream: an answer, or faults. Null: nothing. */
  readonly filter: ((session: Session<unknown>) => MaybePromise<unknown>) | null;
  readonly rewrite: RequestRewrite | null;
  readonly response: FieldChanges | null;
}

/** The route that took the request; undefined before one did, and where there is nothing to choose. */
export type RouteContext = Route | undefined;

/**
 * The proxy that a configuration describes, for one of its listeners: composed once, so that a request meets only what the
 * configuration asks for. A listener that sends everything to one upstream has nothing but `upstreamPeer` and
 * `failToConnect`.
 * @param faults those on the listener's routes, made for the same settings; whoever has them can switch them on and off
 * @throws RangeError when there is no such listener or upstream
 */
export function createConfiguredProxy(
  settings: ProxySettings,
  listenerName: string,
  faults: HttpFaults = new HttpFaults(settings, listenerName, { seed: freshSeed() }),
): ProxyPhases<RouteContext> {
  const listener = listenerOf(settings, listenerName);
  const groups = new Map(settings.upstreams.map((upstream) => [upstream.name, new UpstreamGroup(upstream)]));
  const routes = listener.routes.map((route, i): Route => {
    const compiled = compileRoute(route, groups);
    return { ...compiled, filter: faults.before(i, compiled.filter) };
  });
  const [first] = routes;
  if (first !== undefined && isEverything(first)) return toOneGroup(first.group!);
  return toRoutes(routes, listener.forwarding.trustedProxies);
}

function isEverything(route: Route): boolean {
  const { match, group, filter, rewrite, response } = route;
  return match === null && group !== null && filter === null && rewrite === null && response === null;
}

function toOneGroup(group: UpstreamGroup): ProxyPhases<RouteContext> {
  const { only } = group;
  return {
    upstreamPeer: only === null ? (session) => group.peerFor(session) : () => only,
    failToConnect: (session, peer, error) => group.onConnectFailure(session, peer, error),
  };
}

function toRoutes(routes: readonly Route[], trustedProxies: readonly string[]): ProxyPhases<RouteContext> {
  const table = new RouteTable(routes, trustedProxies);
  const phases: ProxyPhases<RouteContext> = {
    requestFilter(session) {
      const route = table.find(session);
      if (route === null) throw new ProxyError("NO_ROUTE");
      session.context = route;
      return route.filter?.(session);
    },
    upstreamPeer: (session) => session.context!.group!.peerFor(session),
    failToConnect: (session, peer, error) => session.context!.group!.onConnectFailure(session, peer, error),
  };
  if (routes.some(({ rewrite }) => rewrite !== null)) {
    phases.upstreamRequestFilter = (session, request) => session.context?.rewrite?.(request, session.peer);
  }
  if (routes.some(({ group, response }) => group !== null && response !== null)) {
    phases.responseFilter = ({ context }, { headers }) => {
      if (context?.response != null) changeHeaders(headers, context.response);
    };
  }
  return phases;
}

function compileRoute(settings: RouteSettings, groups: ReadonlyMap<string, UpstreamGroup>): Route {
  const { name, match, action, response } = settings;
  const base = { name, match, response, group: null, filter: null, rewrite: null, readsPath: false };
  switch (action.kind) {
    case "redirect":
      return { ...base, filter: compileRedirect(action, response) };
    case "respond":
      return { ...base, filter: compileRespond(action, response) };
    case "upstream": {
      const group = groups.get(action.upstream);
      if (group === undefined)
        throw new RangeError(`There is no upstream ${JSON.stringify(action.upstream)}`);
      const rewrite = action.request === null ? null : compileRewrite(action.request);
      return { ...base, group, rewrite, readsPath: (action.request?.path.length ?? 0) > 0 };
    }
  }
}
