import { resolve } from "node:path";
import type { RouteSettings } from "../filters/settings.ts";
import type { StreamProxySettings } from "../proxy/stream-proxy.ts";
import { checkDocument, type Purpose } from "./checks.ts";
import { formatPath } from "./config-error.ts";
import { toConfigError, toFindings } from "./issues.ts";
import { CacheTable } from "./resolve-caches.ts";
import { resolveFilters } from "./resolve-filters.ts";
import { resolveIn } from "./resolve-in.ts";
import { LimitTable } from "./resolve-limits.ts";
import { resolvePlugins } from "./resolve-plugins.ts";
import { resolveTls } from "./resolve-tls.ts";
import { checkServers, type FileSurroundings, readUpstreamTls } from "./resolve-upstream-tls.ts";
import { resolveUpstreams } from "./resolve-upstreams.ts";
import type { CacheKeysDraft } from "./schema/cache.ts";
import type { CodingDraft } from "./schema/coding.ts";
import { type ConfigurationDraft, configuration } from "./schema/configuration.ts";
import type { HttpDraft, ListenerDraft } from "./schema/listener.ts";
import type { RouteDraft } from "./schema/route.ts";
import type { StreamDraft } from "./schema/stream-listener.ts";
import type { AdminSettings, ListenerSettings, Snapshot } from "./snapshot.ts";
import type { Finding, ProblemLocator } from "./source-document.ts";

/**
 * Checks a document and brings it into its normal form.
 * @throws ConfigError with everything that is wrong, in the order of the file
 */
export function toSnapshot(document: unknown, source: ProblemLocator, purpose: Purpose = "proxy"): Snapshot {
  const parsed = configuration.safeParse(document);
  const { errors, warnings } = checkDocument(document, purpose);
  const findings = [...(parsed.success ? [] : toFindings(parsed.error.issues, document)), ...errors];
  if (!parsed.success || findings.length > 0) throw toConfigError(findings, source);
  const { chaos, admin, zone, retries, upstreams: defined } = parsed.data;
  const { workingDirectory } = parsed.data.process;
  // Files must be found from there, too.
  const folder = workingDirectory === null ? source.folder : resolve(source.folder);
  const around = { folder, note: (finding: Finding): number => findings.push(finding) };
  const traffic = resolveTraffic(parsed.data, around);
  const actions = traffic.listeners.flatMap(({ routes }) => routes.map(({ action }) => action));
  const upstreams = resolveUpstreams(defined, actions, { zone, retries, ...around });
  const filters = resolveFilters(parsed.data.filters, traffic, around, source);
  if (findings.length > 0) throw toConfigError(findings, source);
  return freeze({
    ...withoutDrafts(parsed.data),
    chaos: { ...chaos, scenario: chaos.scenario && resolveIn(folder, chaos.scenario) },
    process: {
      ...parsed.data.process,
      workingDirectory: workingDirectory && resolveIn(folder, workingDirectory),
    },
    ...traffic,
    upstreams,
    plugins: resolvePlugins(parsed.data.plugins, traffic, folder),
    filters,
    warnings: [...warnings, ...findOpenAdmin(admin)].map((finding) => source.locate(finding)),
  });
}

type Drafts = "listeners" | "routes" | "upstreams" | "limits" | "caches" | "plugins" | "filters";

function withoutDrafts(draft: ConfigurationDraft): Omit<ConfigurationDraft, Drafts> {
  const {
    listeners: _,
    routes: _routes,
    upstreams: _upstreams,
    limits: _limits,
    caches: _caches,
    ...others
  } = draft;
  const { plugins: _plugins, filters: _filters, ...rest } = others;
  return rest;
}

/** What is written down in one place for all routes, and what is found there. */
interface Tables {
  readonly limits: LimitTable;
  readonly caches: CacheTable;
}

/** Listeners with their names, their routes, and the limits and caches of those. */
function resolveTraffic(
  { listeners: drafts, routes: shared, limits: defined, redis, caches: named }: ConfigurationDraft,
  around: FileSurroundings,
): Pick<Snapshot, "listeners" | "proxies" | "limits" | "caches"> {
  const limits = new LimitTable(defined, redis);
  const caches = new CacheTable(named, around);
  const all = nameListeners(drafts).map((draft) => withFiles(draft, around.folder));
  const listeners = all.flatMap((draft, index) =>
    isHttp(draft) ? [resolveListener(draft, index, shared, { limits, caches })] : [],
  );
  const proxies = all.flatMap((draft, index) =>
    isHttp(draft) ? [] : [resolveProxy(draft, ["listeners", index, "upstream_tls"], around)],
  );
  return { listeners, proxies, limits: limits.all, caches: caches.all };
}

function resolveProxy(
  { upstreamTls, ...draft }: Named<StreamDraft>,
  path: readonly PropertyKey[],
  around: FileSurroundings,
): StreamProxySettings {
  const tls = upstreamTls && readUpstreamTls(upstreamTls, path, around);
  if (tls !== null) checkServers(draft.upstreams, { tls }, () => path, around);
  return { ...draft, upstreamTls: tls };
}

function resolveListener(
  draft: Named<HttpDraft>,
  at: number,
  shared: readonly RouteDraft[],
  { limits, caches }: Tables,
): ListenerSettings {
  const { requestLimits, routes: own, compress = null, decompress = null, cache, ...settings } = draft;
  const path = ["listeners", at];
  const before = limits.resolve(requestLimits, formatPath([...path, "limits", "requests"]));
  const ofListener = caches.resolve(cache, [...path, "cache"], null);
  const routes = (own ?? shared).map((route, index): RouteSettings => {
    const place = [...(own === null ? [] : path), "routes", index];
    const ofRoute = limits.resolve(route.limits, formatPath([...place, "limits"]));
    const ownCache = caches.resolve(route.cache, [...place, "cache"], ofListener);
    return {
      ...nameRoute(route, index),
      compress: route.compress === undefined ? compress : route.compress,
      decompress: route.decompress === undefined ? decompress : route.decompress,
      cache: route.action.kind === "upstream" ? ownCache : null,
      limits: [...before, ...ofRoute],
    };
  });
  return { ...settings, routes };
}

/** Files that a listener names are found from the folder of the document. */
function withFiles(draft: Named<ListenerDraft>, folder: string): Named<ListenerDraft> {
  if (!("tls" in draft) || draft.tls === null) return draft;
  return { ...draft, tls: resolveTls(draft.tls, folder) };
}

type Named<T> = T & { readonly name: string };

/** A listener is called by its address if by nothing else: of several on one address, the later ones get a number. */
function nameListeners(drafts: readonly ListenerDraft[]): readonly Named<ListenerDraft>[] {
  const taken = new Set(drafts.flatMap(({ name }) => name ?? []));
  return drafts.map((draft) => {
    const name = draft.name ?? freeName("bind" in draft ? draft.bind : draft.listen, taken);
    taken.add(name);
    return { ...draft, name };
  });
}

function freeName(address: string, taken: ReadonlySet<string>): string {
  let name = address;
  for (let number = 2; taken.has(name); number++) name = `${address} (${number})`;
  return name;
}

function isHttp(draft: Named<ListenerDraft>): draft is Named<HttpDraft> {
  return draft.protocol === "http";
}

type Inherited = "limits" | keyof CodingDraft | keyof CacheKeysDraft;

function nameRoute(draft: RouteDraft, index: number): Omit<RouteSettings, Inherited> {
  const name = `routes[${index}]`;
  const faults = draft.faults.map((fault, i) => ({ ...fault, name: fault.name ?? `${name}.faults[${i}]` }));
  return { ...draft, name: draft.name ?? name, faults };
}

function findOpenAdmin(admin: AdminSettings | null): Finding[] {
  if (admin === null || admin.token !== null || isLoopback(admin.bind)) return [];
  const message = "whoever reaches this address can steer the proxies: a token is missing";
  return [{ path: ["admin"], message }];
}

function isLoopback(bind: string): boolean {
  return /^(?:127\.|localhost:|\[::1\]:)/.test(bind);
}

function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}
