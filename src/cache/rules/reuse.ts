import { MetaFlag } from "../meta.ts";
import type { MetaView } from "../meta-view.ts";
import { currentAge } from "./age.ts";
import { ABSENT, type CacheDirectives, Directive } from "./directives.ts";

/** What becomes of a request, by what is stored for it. */
export const Reuse = {
  /** It is answered from the entry. The entry may be stale, if the client said that it minds not. */
  Fresh: 0,
  /** It is answered from the entry, which is stale and to be revalidated meanwhile. */
  StaleWhileRevalidate: 1,
  /** The server is asked first, with the entry's validators if it has any. */
  Revalidate: 2,
  Miss: 3,
  /** It would take the server, and the client said not to ask it: 504 (RFC 9111 §5.2.1.7). */
  OnlyIfCachedFails: 4,
} as const;
export type Reuse = (typeof Reuse)[keyof typeof Reuse];

/** Without an entry. @param asked what the request says; null for nothing */
export function withoutEntry(asked: CacheDirectives | null): Reuse {
  return asked?.has(Directive.OnlyIfCached) === true ? Reuse.OnlyIfCachedFails : Reuse.Miss;
}

/**
 * Whether a request can be answered from an entry (RFC 9111 §4).
 * @param asked what the request says; null, mostly, for nothing
 * @param now milliseconds since 1970
 */
export function decideReuse(entry: MetaView, asked: CacheDirectives | null, now: number): Reuse {
  if (asked !== null) return decideAsked(entry, asked, now);
  const { flags } = entry;
  if ((flags & MetaFlag.NoCache) !== 0) return Reuse.Revalidate;
  const staleness = stalenessOf(entry, flags, now);
  if (staleness < 0) return Reuse.Fresh;
  return staleness < entry.staleWhileRevalidate * 1000 ? Reuse.StaleWhileRevalidate : Reuse.Revalidate;
}

function decideAsked(entry: MetaView, asked: CacheDirectives, now: number): Reuse {
  const reuse = isWilling(entry, asked, now) ? decideWilling(entry, asked, now) : Reuse.Revalidate;
  const needsServer = reuse === Reuse.Revalidate;
  return needsServer && asked.has(Directive.OnlyIfCached) ? Reuse.OnlyIfCachedFails : reuse;
}

/** Whether the client takes an answer of this age without the server's word. */
function isWilling(entry: MetaView, asked: CacheDirectives, now: number): boolean {
  if (asked.has(Directive.NoCache)) return false;
  const age = currentAge(entry.bornAt, now);
  if (asked.maxAge !== ABSENT && age > asked.maxAge * 1000) return false;
  return asked.minFresh === ABSENT || entry.lifetime * 1000 - age >= asked.minFresh * 1000;
}

function decideWilling(entry: MetaView, asked: CacheDirectives, now: number): Reuse {
  const reuse = decideReuse(entry, null, now);
  const { flags } = entry;
  if (reuse === Reuse.Fresh || asked.maxStale === ABSENT) return reuse;
  if ((flags & (MetaFlag.NoCache | MetaFlag.MustRevalidate | MetaFlag.Purged)) !== 0) return reuse;
  return stalenessOf(entry, flags, now) <= asked.maxStale * 1000 ? Reuse.Fresh : reuse;
}

/** How long an entry has been stale, in milliseconds; negative as long as it is fresh. */
function stalenessOf(entry: MetaView, flags: number, now: number): number {
  const staleness = currentAge(entry.bornAt, now) - entry.lifetime * 1000;
  return (flags & MetaFlag.Purged) !== 0 ? Math.max(0, staleness) : staleness;
}

/**
 * Whether an entry may be served in place of an error of the server: it can't be reached, or answers 500, 502, 503 or 504
 * (RFC 5861 §4, RFC 9111 §4.2.4). An answer that the client wanted from the server is never replaced.
 * @param asked what the request says; null for nothing
 */
export function mayServeOnError(entry: MetaView, asked: CacheDirectives | null, now: number): boolean {
  const { flags } = entry;
  if ((flags & MetaFlag.NoCache) !== 0 || asked?.has(Directive.NoCache) === true) return false;
  let permitted = entry.staleIfError;
  if (asked !== null && (flags & MetaFlag.MustRevalidate) === 0) {
    permitted = Math.max(permitted, asked.staleIfError);
  }
  return stalenessOf(entry, flags, now) < permitted * 1000;
}

/** Statuses that stand for a server that can't do its work just now. */
export function isServerError(status: number): boolean {
  return status === 500 || (status >= 502 && status <= 504);
}
