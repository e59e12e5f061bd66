import { nearestWord } from "../base/nearest-word.ts";
import { type Entry, isSection, type Path, type Section } from "./document-entries.ts";
import { show } from "./issues.ts";
import { looksLikeAddress } from "./schema/addresses.ts";
import { looksLikeSize } from "./schema/cache.ts";
import { looksLikeRate } from "./schema/limit.ts";
import { isEntryName } from "./schema/values.ts";
import type { Finding } from "./source-document.ts";

/*
 * Whether the upstreams, limits, caches, plugins and filters that routes and listeners refer to by name are there, and which nobody refers to.
 */

/** A name somewhere in the document that stands for something else. */
interface Reference {
  readonly name: string;
  readonly path: Path;
  readonly atKey?: boolean;
}

/** The names that a map of the document defines. */
export function namesIn(value: unknown): readonly string[] {
  return isSection(value) ? Object.keys(value).filter(isEntryName) : [];
}

/** The upstreams that a route or listener leads to by their names. */
export function upstreamReferences({ section, path }: Entry): Reference[] {
  const { upstream, mirror } = section;
  return [
    ...namesAt(upstream, [...path, "upstream"]),
    ...splitReferences(section, path),
    ...(isSection(mirror)
      ? namesAt(mirror["upstream"], [...path, "mirror", "upstream"])
      : namesAt(mirror, [...path, "mirror"])),
  ];
}

function splitReferences({ split }: Section, path: Path): Reference[] {
  if (!isSection(split) && !Array.isArray(split)) return [];
  const at = [...path, "split"];
  if (isSection(split))
    return Object.keys(split).flatMap((name) => namesAt(name, [...at, name], { atKey: true }));
  return split.flatMap((target: unknown, i) =>
    isSection(target) ? namesAt(target["upstream"], [...at, i, "upstream"]) : [],
  );
}

/** A list holds addresses: names in it are mistakes. */
function namesAt(value: unknown, path: Path, more: { atKey?: boolean } = {}): Reference[] {
  if (Array.isArray(value)) return value.flatMap((name: unknown, i) => namesAt(name, [...path, i]));
  return typeof value === "string" && value !== "" && !looksLikeAddress(value)
    ? [{ name: value, path, ...more }]
    : [];
}

/** The limits that a route names. */
export function limitReferences({ section, path }: Entry): Reference[] {
  return limitNames(section["limits"], [...path, "limits"]);
}

/** The limits that a listener names for all its routes. */
export function listenerLimitReferences({ section, path }: Entry): Reference[] {
  const { limits } = section;
  return isSection(limits) ? limitNames(limits["requests"], [...path, "limits", "requests"]) : [];
}

/** The cache that a route or listener names. */
export function cacheReferences({ section, path }: Entry): Reference[] {
  const { cache } = section;
  const [name, at] = isSection(cache)
    ? [cache["use"], [...path, "cache", "use"]]
    : [cache, [...path, "cache"]];
  const isName = typeof name === "string" && name !== "" && name !== "off" && !looksLikeSize(name);
  return isName ? [{ name, path: at }] : [];
}

/** The plugins that a route or listener names. */
export function pluginReferences(entry: Entry): Reference[] {
  return listedNames(entry, "plugins");
}

/** The filters that a route or listener names. */
export function filterReferences(entry: Entry): Reference[] {
  return listedNames(entry, "filters");
}

function listedNames({ section, path }: Entry, key: string): Reference[] {
  const names = section[key];
  if (!Array.isArray(names)) return [];
  return names.flatMap((name: unknown, i) =>
    typeof name === "string" && name !== "" ? [{ name, path: [...path, key, i] }] : [],
  );
}

function limitNames(value: unknown, path: Path): Reference[] {
  const words = Array.isArray(value)
    ? value.map((name: unknown, i) => ({ name, path: [...path, i] }))
    : [{ name: value, path }];
  return words.flatMap(({ name, path: at }) =>
    typeof name === "string" && name !== "" && !looksLikeRate(name) ? [{ name, path: at }] : [],
  );
}

/** What may stand in the place of a name; "" for nothing. */
const OTHERWISE = {
  upstream: "an address like 127.0.0.1:3000",
  limit: "a rate like 5/m",
  cache: "a size like 256MiB",
  plugin: "",
  filter: "",
} as const;

/** References that lead nowhere. */
export function findUnknown(
  references: readonly Reference[],
  names: readonly string[],
  kind: keyof typeof OTHERWISE,
): Finding[] {
  return references.flatMap((reference) => {
    if (kind === "upstream" && typeof reference.path.at(-1) === "number") return [toNoAddress(reference)];
    return names.includes(reference.name) ? [] : [toUnknown(reference, names, kind)];
  });
}

/** Upstreams are named one at a time. */
function toNoAddress({ name, path }: Reference): Finding {
  return { path, message: `${show(name)} is no address`, expected: OTHERWISE.upstream };
}

function toUnknown(
  { name, ...place }: Reference,
  names: readonly string[],
  kind: keyof typeof OTHERWISE,
): Finding {
  const finding = { ...place, message: `there is no ${kind} ${show(name)}` };
  const suggestion = nearestWord(name, names);
  if (suggestion !== undefined) return { ...finding, suggestion };
  const known = names.length === 0 ? [] : [`one of ${names.join(", ")}`];
  const expected = [...known, OTHERWISE[kind]].filter((word) => word !== "").join(", or ");
  return expected === "" ? { ...finding, expected: `a ${kind} under ${kind}s` } : { ...finding, expected };
}

/** What is defined, and nobody refers to. */
export function findUnused(
  references: readonly Reference[],
  names: readonly string[],
  section: "upstreams" | "limits" | "caches" | "plugins" | "filters",
): Finding[] {
  const used = new Set(references.map(({ name }) => name));
  const kind = section.slice(0, -1);
  const isForListeners = section === "caches" || section === "plugins" || section === "filters";
  const user = isForListeners ? "no listener or route" : "no route";
  return names
    .filter((name) => !used.has(name))
    .map((name) => ({
      path: [section, name],
      message: `${user} uses the ${kind} ${show(name)}`,
      atKey: true,
    }));
}
