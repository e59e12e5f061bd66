import { isAbsolute, join } from "node:path";
import type { RouteSettings, UpstreamSettings } from "../filters/settings.ts";
import type { StreamProxySettings } from "../proxy/stream-proxy.ts";
import { checkDocument, type Purpose } from "./checks.ts";
import { toConfigError, toFindings } from "./issues.ts";
import { type ConfigurationDraft, configuration } from "./schema/configuration.ts";
import type { HttpDraft, ListenerDraft } from "./schema/listener.ts";
import { addressesIn, type RouteDraft } from "./schema/route.ts";
import { toUpstream } from "./schema/upstream.ts";
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
  const { listeners: drafts, routes, upstreams: defined, chaos, ...rest } = parsed.data;
  const named = nameListeners(drafts);
  const listeners = named.filter(isHttp).map((draft): ListenerSettings => {
    return { ...draft, routes: (draft.routes ?? routes).map(nameRoute) };
  });
  const upstreams = collectUpstreams(listeners, defined);
  return freeze({
    ...rest,
    chaos: { ...chaos, scenario: chaos.scenario && resolveIn(source.folder, chaos.scenario) },
    listeners,
    proxies: named.filter(isStream),
    upstreams,
    warnings: [...warnings, ...findOpenAdmin(rest.admin)].map((finding) => source.locate(finding)),
  });
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

function isStream(draft: Named<ListenerDraft>): draft is StreamProxySettings {
  return draft.protocol !== "http";
}

function nameRoute(draft: RouteDraft, index: number): RouteSettings {
  const name = `routes[${index}]`;
  const faults = draft.faults.map((fault, i) => ({ ...fault, name: fault.name ?? `${name}.faults[${i}]` }));
  return { ...draft, name: draft.name ?? name, faults };
}

function resolveIn(folder: string, path: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}

function findOpenAdmin(admin: AdminSettings | null): Finding[] {
  if (admin === null || admin.token !== null || isLoopback(admin.bind)) return [];
  const message = "whoever reaches this address can steer the proxies: a token is missing";
  return [{ path: ["admin"], message }];
}

function isLoopback(bind: string): boolean {
  return /^(?:127\.|localhost:|\[::1\]:)/.test(bind);
}

/** Those that the document names, and those that its routes write down in place. */
function collectUpstreams(
  listeners: readonly ListenerSettings[],
  defined: ConfigurationDraft["upstreams"],
): UpstreamSettings[] {
  const all = new Map(Object.entries(defined).map(([name, draft]) => [name, { name, ...draft }]));
  for (const { action } of listeners.flatMap(({ routes }) => routes)) {
    if (action.kind !== "upstream" || all.has(action.upstream)) continue;
    all.set(action.upstream, toUpstream(action.upstream, addressesIn(action.upstream)));
  }
  return [...all.values()];
}

function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}
