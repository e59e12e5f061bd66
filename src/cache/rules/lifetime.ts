import { parseHttpDate } from "./dates.ts";
import { ABSENT, Directive } from "./directives.ts";
import type { CachePolicy, HeuristicLifetime } from "./policy.ts";
import type { ResponseFacts } from "./response-facts.ts";

/** Where a lifetime comes from. */
export const LifetimeSource = { Response: 0, Default: 1, Heuristic: 2, None: 3 } as const;
export type LifetimeSource = (typeof LifetimeSource)[keyof typeof LifetimeSource];

export interface Lifetime {
  /** How long the response is fresh from when it was made, in seconds. */
  readonly seconds: number;
  readonly source: LifetimeSource;
}

/** Statuses whose responses may be kept without being told so (RFC 9110 §15.1). */
const HEURISTIC: ReadonlySet<number> = new Set([200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501]);

/** How long a response is fresh (RFC 9111 §4.2.1), and by whose account. */
export function lifetimeOf(facts: ResponseFacts, policy: CachePolicy): Lifetime {
  const told = toldLifetime(facts);
  if (told !== ABSENT) return limited(told, LifetimeSource.Response, policy);
  const byStatus = policy.defaultLifetimes.get(facts.status);
  if (byStatus !== undefined) return limited(byStatus, LifetimeSource.Default, policy);
  if (policy.heuristic === null || !allowsHeuristics(facts)) return NO_LIFETIME;
  return limited(heuristicLifetime(facts, policy.heuristic), LifetimeSource.Heuristic, policy);
}

const NO_LIFETIME: Lifetime = { seconds: 0, source: LifetimeSource.None };

function limited(seconds: number, source: LifetimeSource, { longestLifetime }: CachePolicy): Lifetime {
  return { seconds: Math.min(seconds, longestLifetime), source };
}

/** What the response itself says, in seconds; `ABSENT` when it says nothing. */
function toldLifetime({ directives, isTargeted, expires, date, responseTime }: ResponseFacts): number {
  if (directives.sharedMaxAge !== ABSENT) return directives.sharedMaxAge;
  if (directives.maxAge !== ABSENT) return directives.maxAge;
  if (expires === null || isTargeted) return ABSENT;
  const until = parseHttpDate(expires, responseTime);
  // What can't be read, as the popular "0", is over (RFC 9111 §5.3).
  if (Number.isNaN(until)) return 0;
  return Math.max(0, Math.floor((until - (Number.isNaN(date) ? responseTime : date)) / 1000));
}

function allowsHeuristics({ status, directives }: ResponseFacts): boolean {
  return HEURISTIC.has(status) || directives.has(Directive.Public);
}

function heuristicLifetime(facts: ResponseFacts, { fraction, longest }: HeuristicLifetime): number {
  const { date, lastModified, responseTime } = facts;
  const unchanged = (Number.isNaN(date) ? responseTime : date) - lastModified;
  // NaN without Last-Modified
  return unchanged > 0 ? Math.min(Math.floor((unchanged * fraction) / 1000), longest) : 0;
}

/** Whether a response of this kind may be kept at all though it says nothing about it (RFC 9111 §3). */
export function mayBeKept(facts: ResponseFacts): boolean {
  return toldLifetime(facts) !== ABSENT || allowsHeuristics(facts);
}
