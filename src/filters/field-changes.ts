import type { HttpHeaders } from "../http/http-headers.ts";
import type { FieldChanges, FieldList } from "./settings.ts";

/** Changes the fields of a head. */
export function changeHeaders(headers: HttpHeaders, changes: FieldChanges): void {
  for (const name of changes.remove) headers.delete(name);
  for (const [name, value] of changes.set) headers.set(name, value);
  for (const [name, value] of changes.add) headers.append(name, value);
}

/** The same for fields that a response of our own starts out with. */
export function changeFields(fields: FieldList, changes: FieldChanges | null): FieldList {
  if (changes === null) return fields;
  const replaced = new Set(
    [...changes.remove, ...changes.set.map(([name]) => name)].map((name) => name.toLowerCase()),
  );
  const kept = fields.filter(([name]) => !replaced.has(name.toLowerCase()));
  return [...kept, ...changes.set, ...changes.add];
}

/**
 * Changes a query. Parameters that no change names stay the bytes they came as: how a server decodes them is its own
 * business. Null: nothing is left.
 */
export function changeQuery(query: string | null, changes: FieldChanges): string | null {
  let parts = query === null || query === "" ? [] : query.split("&");
  for (const name of changes.remove) parts = parts.filter((part) => nameOf(part) !== name);
  for (const [name, value] of changes.set) parts = replace(parts, name, encodePair(name, value));
  for (const [name, value] of changes.add) parts.push(encodePair(name, value));
  return parts.length === 0 ? null : parts.join("&");
}

/** The first parameter of that name is replaced in its place, others go. */
function replace(parts: readonly string[], name: string, pair: string): string[] {
  const at = parts.findIndex((part) => nameOf(part) === name);
  if (at === -1) return [...parts, pair];
  return parts.flatMap((part, i) => {
    if (i === at) return pair;
    return nameOf(part) === name ? [] : part;
  });
}

function nameOf(part: string): string {
  const [name = ""] = part.split("=", 1);
  const text = name.replaceAll("+", " ");
  if (!text.includes("%")) return text;
  // A name that is no valid UTF-8 can't be one that the configuration asks for.
  const [[decoded = text] = []] = new URLSearchParams(name);
  return decoded;
}

function encodePair(name: string, value: string): string {
  return `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
}
