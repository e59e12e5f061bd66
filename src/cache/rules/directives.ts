/** Directives without a number, as bits of `CacheDirectives.flags`. */
export const Directive = {
  NoStore: 1,
  /** Without a list of fields: that list is `noCacheFields`. */
  NoCache: 2,
  /** Without a list of fields: that list is `privateFields`. */
  Private: 4,
  Public: 8,
  MustRevalidate: 0x10,
  ProxyRevalidate: 0x20,
  MustUnderstand: 0x40,
  OnlyIfCached: 0x100,
} as const;

/** Of a number that wasn't there. */
export const ABSENT = -1;

/** What any larger number of seconds becomes (RFC 9111 §1.2.2). */
export const MOST_SECONDS: number = 2 ** 31;

/** What the Cache-Control fields of a message say, of a request or of a response. */
export class CacheDirectives {
  /** `Directive` bits. */
  flags = 0;
  /** Seconds, `ABSENT` each where it isn't there; 0 where it can't be understood. */
  maxAge: number = ABSENT;
  sharedMaxAge: number = ABSENT;
  /** Seconds, `ABSENT` too where it can't be understood: these permit something. */
  staleWhileRevalidate: number = ABSENT;
  staleIfError: number = ABSENT;
  minFresh: number = ABSENT;
  /** `MOST_SECONDS` for any age. */
  maxStale: number = ABSENT;
  /** Names in lower case that a `private="…"` or `no-cache="…"` lists, each followed by a comma; "" for none. */
  privateFields = "";
  noCacheFields = "";

  has(directive: number): boolean {
    return (this.flags & directive) !== 0;
  }
}

/** The flag of each directive that is one. */
const FLAGS: ReadonlyMap<string, number> = new Map([
  ["no-store", Directive.NoStore],
  ["no-cache", Directive.NoCache],
  ["private", Directive.Private],
  ["public", Directive.Public],
  ["must-revalidate", Directive.MustRevalidate],
  ["proxy-revalidate", Directive.ProxyRevalidate],
  ["must-understand", Directive.MustUnderstand],
  ["only-if-cached", Directive.OnlyIfCached],
]);

/**
 * Notes a directive that is a flag.
 * @param fields of `private` and `no-cache`: the names it lists as `toFieldList` gives them; null without such a list
 */
export function noteFlag(directives: CacheDirectives, name: string, fields: string | null): void {
  const flag = FLAGS.get(name);
  if (flag === undefined) return;
  if (fields !== null && flag === Directive.Private) directives.privateFields += fields;
  else if (fields !== null && flag === Directive.NoCache) directives.noCacheFields += fields;
  else directives.flags |= flag;
}

/**
 * Notes a directive that has a number. Of several the first holds (RFC 9111 §4.2.1).
 * @param seconds NaN when it can't be understood. A lifetime is over then: a cache that guesses serves what it shouldn't
 * @returns false when no directive with a number has that name
 */
export function noteSeconds(directives: CacheDirectives, name: string, seconds: number): boolean {
  const key = NUMBERS.get(name);
  if (key === undefined) return false;
  if (directives[key] !== ABSENT) return true;
  const isLifetime = key === "maxAge" || key === "sharedMaxAge";
  const fallback = isLifetime ? 0 : ABSENT;
  directives[key] = Number.isNaN(seconds) ? fallback : Math.min(seconds, MOST_SECONDS);
  return true;
}

type NumberKey =
  | "maxAge"
  | "sharedMaxAge"
  | "staleWhileRevalidate"
  | "staleIfError"
  | "minFresh"
  | "maxStale";

const NUMBERS: ReadonlyMap<string, NumberKey> = new Map([
  ["max-age", "maxAge"],
  ["s-maxage", "sharedMaxAge"],
  ["stale-while-revalidate", "staleWhileRevalidate"],
  ["stale-if-error", "staleIfError"],
  ["min-fresh", "minFresh"],
  ["max-stale", "maxStale"],
]);
