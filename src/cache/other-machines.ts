import type { Purge } from "./purges/purge.ts";
import type { CacheKey } from "./store.ts";

/** The other machines that share a cache with this one, as a thread tells them what isn't to be served any more. */
export interface OtherMachines {
  /**
   * Purges here at once, and there as soon as they hear of it. It never rejects.
   * @returns whether all those are told that can be reached by now; those that can't, are as soon as they can
   */
  purge(purge: Purge): Promise<boolean>;
  /** What is stored under a key has changed: it goes here at once, and there as soon as they hear of it. */
  invalidate(key: CacheKey): void;
}
