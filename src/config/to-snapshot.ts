import type { RouteSettings, UpstreamSettings } from "../filters/settings.ts";
import { checkDocument, type Purpose } from "./checks.ts";
import { toConfigError, toFindings } from "./issues.ts";
import { type ConfigurationDraft, configuration } from "./schema/configuration.ts";
import { addressesIn, type RouteDraft } from "./schema/route.ts";
import { toUpstream } from "./schema/upstream.ts";
import type { ListenerSettings, Snapshot } from "./snapshot.ts";
import type { ProblemLocator } from "./source-document.ts";

/**
 * Checks a document and brings it into its normal form.
 * @throws ConfigError with everything that is wrong, in the order of the file
 */
export function toSnapshot(document: unknown, source: ProblemLocator, purpose: Purpose = "proxy"): Snapshot {
  const parsed = configuration.safeParse(document);
  const { errors, warnings } = checkDocument(document, purpose);
  const findings = [...(parsed.success ? [] : toFindings(parsed.error.issues, document)), ...errors];
  if (!parsed.success || findings.length > 0) throw toConfigError(findings, source);
  const { listeners: drafts, routes, upstreams: defined, ...rest } = parsed.data;
  const names = uniqueNames(drafts.map(({ name }) => name));
  const listeners = drafts.map((draft, index): ListenerSettings => {
    return { ...draft, name: names[index]!, routes: (draft.routes ?? routes).map(nameRoute) };
  });
  const upstreams = collectUpstreams(listeners, defined);
  return freeze({
    ...rest,
    listeners,
    upstreams,
    warnings: warnings.map((finding) => source.locate(finding)),
  });
}

/** Listeners that are called by their address may share it: port 0 is another port for each. */
function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let unique = name;
    for (let number = 2; taken.has(unique); number++) unique = `${name} (${number})`;
    taken.add(unique);
    return unique;
  });
}

function nameRoute(draft: RouteDraft, index: number): RouteSettings {
  return { ...draft, name: draft.name ?? `routes[${index}]` };
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
