import {
  cacheReferences,
  filterReferences,
  findUnknown,
  findUnused,
  limitReferences,
  listenerLimitReferences,
  namesIn,
  pluginReferences,
  upstreamReferences,
} from "./check-references.ts";
import { checkSplits, checkUpstreams } from "./check-upstreams.ts";
import { type Entry, entriesOf, isSection, type Path, type Section } from "./document-entries.ts";
import { show } from "./issues.ts";
import { defaultToxicName } from "./scenario-kinds.ts";
import { bindAddress } from "./schema/addresses.ts";
import type { Finding } from "./source-document.ts";

/*
 * What the schema can't know: whether references lead somewhere and names are unique. Looks at the document as it was
 * written and not at what the schema made of it, so that these findings are there together with those of the schema.
 */

const ACTIONS = ["upstream", "split", "redirect", "respond"];

/** Of these, those that send requests on. */
const SENDING = ["upstream", "split"];

export interface CheckResult {
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** What a configuration is for: a proxy by itself, or the settings of a program, which decides about requests itself. */
export type Purpose = "proxy" | "program";

/** Checks a document that may be wrong in any way. */
export function checkDocument(document: unknown, purpose: Purpose): CheckResult {
  if (!isSection(document)) return { errors: [], warnings: [] };
  const all = entriesOf(document["listeners"], ["listeners"]);
  const listeners = all.filter(({ section }) => !isStream(section));
  const shared = entriesOf(document["routes"], ["routes"]);
  const lists = [
    shared,
    ...listeners.map(({ section, path }) => entriesOf(section["routes"], [...path, "routes"])),
  ];
  const routes = lists.flat();
  const upstreams = namesIn(document["upstreams"]);
  const limits = namesIn(document["limits"]);
  const caches = namesIn(document["caches"]);
  const plugins = namesIn(document["plugins"]);
  const filters = namesIn(document["filters"]);
  const toFilters = [...listeners, ...routes].flatMap(filterReferences);
  const toCaches = [...listeners, ...routes].flatMap(cacheReferences);
  const toPlugins = [...all, ...routes].flatMap(pluginReferences);
  const toUpstreams = [...listeners, ...routes].flatMap(upstreamReferences);
  const toLimits = [...listeners.flatMap(listenerLimitReferences), ...routes.flatMap(limitReferences)];
  return {
    errors: [
      ...(purpose === "proxy" ? checkListeners(document["listeners"], listeners, shared.length > 0) : []),
      ...findRepeated(all, "bind", "listener", bindKey),
      ...findRepeated(all, "name", "listener", nameKey),
      ...listeners.flatMap((listener) => findRepeated(faultsAt(listener), "name", "fault", nameKey)),
      ...findRepeated(shared.flatMap(faultsOf), "name", "fault", nameKey),
      ...all.flatMap((listener) => findRepeated(toxicsOf(listener), "name", "toxic", toxicKey)),
      ...routes.flatMap(checkRouteAction),
      ...findUnknown(toUpstreams, upstreams, "upstream"),
      ...findUnknown(toLimits, limits, "limit"),
      ...findUnknown(toCaches, caches, "cache"),
      ...findUnknown(toPlugins, plugins, "plugin"),
      ...findUnknown(toFilters, filters, "filter"),
    ],
    warnings: [
      ...lists.flatMap(findUnreachable),
      ...findUnused(toUpstreams, upstreams, "upstreams"),
      ...findUnused(toLimits, limits, "limits"),
      ...findUnused(toCaches, caches, "caches"),
      ...findUnused(toPlugins, plugins, "plugins"),
      ...findUnused(toFilters, filters, "filters"),
      ...findUnusedRoutes(listeners, shared),
      ...checkUpstreams(document["upstreams"]),
      ...[...listeners, ...routes].flatMap(checkSplits),
    ],
  };
}

function checkListeners(value: unknown, listeners: readonly Entry[], hasSharedRoutes: boolean): Finding[] {
  if (value !== undefined)
    return listeners.flatMap((listener) => checkListenerAction(listener, hasSharedRoutes));
  return [{ path: ["listeners"], message: "listeners is missing", expected: "a list of listeners" }];
}

function checkListenerAction({ section, path }: Entry, hasSharedRoutes: boolean): Finding[] {
  const given = [...ACTIONS, "routes"].filter((key) => section[key] !== undefined);
  if (given.length > 1) return [tooMany(given, path)];
  if (section["faults"] !== undefined && !ACTIONS.includes(given[0] ?? "")) {
    const message = "this listener does nothing by itself that could have faults";
    return [{ path: [...path, "faults"], message, expected: "faults at its routes", atKey: true }];
  }
  if (section["mirror"] !== undefined && !SENDING.includes(given[0] ?? "")) {
    const message = "this listener sends no requests by itself that could be mirrored";
    return [{ path: [...path, "mirror"], message, expected: "mirror at its routes", atKey: true }];
  }
  if (given.length === 1 || hasSharedRoutes) return [];
  return [
    {
      path,
      message: "this listener does nothing with requests",
      expected: "routes, upstream, split, redirect or respond",
    },
  ];
}

function checkRouteAction({ section, path }: Entry): Finding[] {
  const given = ACTIONS.filter((key) => section[key] !== undefined);
  if (given.length > 1) return [tooMany(given, path)];
  if (given.length === 0)
    return [{ path, message: "this route does nothing", expected: "upstream, split, redirect or respond" }];
  if (SENDING.includes(given[0]!)) return [];
  return ["rewrite", "request_headers", "mirror", "cache"]
    .filter((key) => section[key] !== undefined && section[key] !== false)
    .map((key) => ({
      path: [...path, key],
      message: `${key} changes nothing without an upstream`,
      atKey: true,
    }));
}

function tooMany(given: readonly string[], path: Path): Finding {
  const message = `${given.join(" and ")} exclude each other`;
  return { path: [...path, given[1]!], message, expected: "one of them", atKey: true };
}

/** Port 0 is another port each time, and UDP has ports of its own. */
function bindKey({ bind, protocol }: Section): string | null {
  const parsed = bindAddress.safeParse(bind);
  if (!parsed.success || parsed.data.endsWith(":0")) return null;
  return protocol === "udp" ? `udp ${parsed.data}` : parsed.data;
}

function nameKey({ name }: Section): string | null {
  return typeof name === "string" ? name : null;
}

/** TCP and UDP listeners have no requests to do something with. */
function isStream({ protocol }: Section): boolean {
  return protocol === "tcp" || protocol === "udp";
}

function faultsOf({ section, path }: Entry): Entry[] {
  return entriesOf(section["faults"], [...path, "faults"]);
}

/** The faults of a listener and of its routes. */
function faultsAt(listener: Entry): Entry[] {
  const { section, path } = listener;
  return [listener, ...entriesOf(section["routes"], [...path, "routes"])].flatMap(faultsOf);
}

function toxicsOf({ section, path }: Entry): Entry[] {
  return entriesOf(section["toxics"], [...path, "toxics"]);
}

function toxicKey({ name, type, stream = "downstream" }: Section): string | null {
  if (typeof name === "string") return name;
  return typeof type === "string" ? defaultToxicName(type, String(stream)) : null;
}

function findRepeated(
  entries: readonly Entry[],
  key: string,
  kind: string,
  toKey: (section: Section) => string | null,
): Finding[] {
  const seen = new Set<string>();
  return entries.flatMap(({ section, path }) => {
    const value = toKey(section);
    if (value === null || !seen.has(value)) {
      if (value !== null) seen.add(value);
      return [];
    }
    return [
      { path: [...path, key], message: `${key} ${show(section[key] ?? value)} is taken by another ${kind}` },
    ];
  });
}

function findUnreachable(routes: readonly Entry[]): Finding[] {
  const everything = routes.findIndex(({ section }) => section["match"] === undefined);
  if (everything === -1) return [];
  return routes.slice(everything + 1).map(({ path }) => {
    return { path, message: `this route is never reached: routes[${everything}] takes every request` };
  });
}

function findUnusedRoutes(listeners: readonly Entry[], shared: readonly Entry[]): Finding[] {
  const isUsed = listeners.some(({ section }) =>
    [...ACTIONS, "routes"].every((key) => section[key] === undefined),
  );
  if (isUsed || listeners.length === 0 || shared.length === 0) return [];
  return [{ path: ["routes"], message: "no listener uses these routes: each has its own", atKey: true }];
}
