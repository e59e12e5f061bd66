import { CacheCount, type CacheCountCode } from "../../cache/cache-counts.ts";
import type { CacheStatus } from "../../cache/rules/cache-status.ts";

/** What an answer from an entry counts as. @param ttl of the entry, in seconds */
export function countOf(
  { forward, forwardStatus, collapsed, detail }: CacheStatus,
  ttl: number,
): CacheCountCode {
  if (forward === null) return ttl < 0 ? CacheCount.stale : CacheCount.hits;
  if (collapsed === true) return CacheCount.collapsed;
  if (forwardStatus === 304) return CacheCount.revalidated;
  return detail === undefined ? CacheCount.stored : CacheCount.stale;
}
