/** Which parameters of the query belong to a key. */
export interface QueryRule {
  /** `all`, the default; none; those that are named; or all but those. */
  readonly keeps: "all" | "none" | "only" | "except";
  readonly names: readonly string[];
  /** Puts parameters in the order of their names, those of one name staying in theirs. */
  readonly sorted: boolean;
}

export const WHOLE_QUERY: QueryRule = { keeps: "all", names: [], sorted: false };

/** Makes of the query of a request what is in the key of it; given and returned without the `?`. */
export type QueryNormaliser = (query: string) => string;

/**
 * A rule, made ready; null where the query is in the key as it came.
 *
 * What a server takes for a parameter that is in the key must never be left out of it, or a client could fetch an answer
 * of its own choice into the key without that parameter. Servers read names in ways that differ, so those to keep are compared
 * loosely: decoded, whatever their case, up to a `[`, with `_` for dots. Names that nobody knows what servers make of, as PHP
 * makes `user_id` of `user[id` and `user_id%00x`, are always kept. Those to leave out are compared decoded and otherwise to the
 * letter. A parameter with a `;` or `?` in it, which some servers split at, is always kept.
 *
 * What a server might take for two parameters of one name stays in its order, for some take the first and some the last.
 */
export function toQueryNormaliser({ keeps, names, sorted }: QueryRule): QueryNormaliser | null {
  if (keeps === "none") return () => "";
  if (keeps === "all") return sorted ? (query) => sortParameters(query.split("&")).join("&") : null;
  const isKept = keeps === "only" ? keepsOnly(names) : keepsAllBut(names);
  return (query) => {
    const kept = query.split("&").filter(isKept);
    return (sorted ? sortParameters(kept) : kept).join("&");
  };
}

function keepsOnly(names: readonly string[]): (parameter: string) => boolean {
  const loose = new Set(names.map(toLooseName));
  return (parameter) => {
    const name = decodedName(parameter);
    return SPLIT_AT.test(parameter) || !PLAIN_NAME.test(name) || loose.has(toLooseName(name));
  };
}

function keepsAllBut(names: readonly string[]): (parameter: string) => boolean {
  const exact = new Set(names);
  return (parameter) => SPLIT_AT.test(parameter) || !exact.has(decodedName(parameter));
}

const SPLIT_AT = /[;?]/;
/** What all servers read as one and the same name. */
const PLAIN_NAME = /^(?:[\w.~-]+(?:\[[\w.~-]*\])*)?$/;

/** Stable, and as they came where one of them isn't plain: it might be another one's namesake. */
function sortParameters(parameters: readonly string[]): readonly string[] {
  const named = parameters.map((parameter) => ({ parameter, name: decodedName(parameter) }));
  if (named.some(({ parameter, name }) => SPLIT_AT.test(parameter) || !PLAIN_NAME.test(name)))
    return parameters;
  return named
    .map(({ parameter, name }) => ({ parameter, name: toLooseName(name) }))
    .sort((one, other) => (one.name < other.name ? -1 : Number(one.name > other.name)))
    .map(({ parameter }) => parameter);
}

function nameOf(parameter: string): string {
  const equals = parameter.indexOf("=");
  return equals === -1 ? parameter : parameter.slice(0, equals);
}

const ESCAPED = /%([0-9a-f]{2})/gi;

/** Byte by byte: what isn't valid UTF-8 has a name too. */
function decodedName(parameter: string): string {
  const name = nameOf(parameter);
  if (!name.includes("%") && !name.includes("+")) return name;
  return name
    .replaceAll("+", " ")
    .replace(ESCAPED, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

function toLooseName(name: string): string {
  const bracket = name.indexOf("[");
  const stem = bracket === -1 ? name : name.slice(0, bracket);
  return stem.toLowerCase().replaceAll(".", "_");
}
