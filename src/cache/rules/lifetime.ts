import { parseHttpDate } from "./dates.ts";
import { ABSENT, Directive } from "./directives.ts";
import type { CachePolicy, HeuristicLifetime } from "./policy.ts";
import type { ResponseFacts } from "./response-facts.ts";

/** Statuses whose responses may be kept without being told so (RFC 9110 §15.1). */
const HEURISTIC: ReadonlySet<number> = new Set([200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501]);

/** How long a response is fresh from when it was made, in seconds (RFC 9111 §4.2.1); 0 where nothing says it. */
export function lifetimeOf(facts: ResponseFacts, policy: CachePolicy): number {
  return Math.min(unlimitedLifetime(facts, policy), policy.longestLifetime);
}

function unlimitedLifetime(facts: ResponseFacts, { defaultLifetimes, heuristic }: CachePolicy): number {
  const told = toldLifetime(facts);
  if (told !== ABSENT) return told;
  const byStatus = defaultLifetimes.get(facts.status);
  if (byStatus !== undefined) return byStatus;
  return heuristic !== null && allowsHeuristics(facts) ? heuristicLifetime(facts, heuristic) : 0;
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
