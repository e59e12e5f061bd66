import { checkNumbers } from "../../base/check-numbers.ts";
import type { CacheCountName } from "../../cache/cache-counts.ts";
import { allocateCaches, type CacheMemory } from "../../cache/cache-memory.ts";
import type { CacheMemorySettings, CacheSettings } from "../../cache/cache-settings.ts";
import { FILL_DEFAULTS, type FillSettings } from "../../cache/fills/fill-settings.ts";
import { isCacheLabel } from "../../cache/rules/cache-status.ts";
import type { CacheStore, StoreStats } from "../../cache/store.ts";
import { MemoryStore } from "../../cache/stores/memory/memory-store.ts";
import { CacheUse, type CacheUseOptions } from "./cache-use.ts";
import { GuardedStore } from "./guarded-store.ts";
import type { HttpCache } from "./http-cache.ts";
import { openHttpCache } from "./open-cache.ts";

export interface CacheOptions extends CacheUseOptions, Partial<FillSettings> {
  /**
   * Threads of `sluice run` share caches of one name: a second one in a thread needs another. Elsewhere each is one for itself.
   * Default `cache`
   */
  readonly name?: string;
  /** What it is called in `Cache-Status` (RFC 9211): a token. Default `sluice` */
  readonly label?: string;
  /** Milliseconds since 1970. Default: those of the machine */
  readonly now?: () => number;
}

export interface MemoryCacheOptions extends CacheOptions {
  /** All that it takes, its tables included; memory that nothing was ever put into isn't touched. At least 262,144. */
  readonly mostBytes: number;
  /** Bytes of the largest entry. Default: an eighth of `mostBytes` */
  readonly mostEntryBytes?: number;
  /**
   * The share of the memory from which on a host makes room by its own entries alone, so that one with many pages can't drive out the
   * others'. Default 1: however much it has
   */
  readonly hostShare?: number;
}

/** What there is in a cache, and what became of the requests that looked in it: over all threads that share it. */
export interface CacheStats extends StoreStats {
  readonly counts: Readonly<Record<CacheCountName, number>>;
}

/** @internal where the memory of a program's caches comes from */
export interface CacheMemorySource {
  /** What is known of a cache of that name, and the row of this thread there. @throws when it can't be had */
  open(settings: CacheSettings): { readonly memory: CacheMemory; readonly row: number };
}

/** @internal Null: each cache has its own, as where there is one thread. Whoever runs several says where they share it. */
export const cacheMeans: { source: CacheMemorySource | null } = { source: null };

/** A cache of a program; itself, it is used by the rules that it was made with. */
export class ResponseCache extends CacheUse {
  readonly #cache: HttpCache;

  /** @internal */
  constructor(cache: HttpCache, options: CacheUseOptions) {
    super(cache, options);
    this.#cache = cache;
  }

  /** The same cache by other rules, for some of its requests; what isn't named is as by default, whatever the cache was made with. */
  use(options: CacheUseOptions): CacheUse {
    return new CacheUse(this.#cache, options);
  }

  get stats(): CacheStats {
    const { store, counts } = this.#cache;
    return { ...store.stats, counts: counts!.totals };
  }

  /** This thread doesn't use it any more. What is being read can be read to its end. */
  close(): Promise<void> {
    return this.#cache.store.close();
  }
}

/**
 * A cache in memory, which all threads share that run the same program:
 *
 *     const pages = memoryCache({ mostBytes: 256 * 2 ** 20 });
 *     export default defineProxy({ requestCacheFilter: () => pages, upstreamPeer: … });
 *
 * @throws RangeError when it can't be as large, or as small; TypeError for a second one of its name in a thread, and for options that are none
 */
export function memoryCache(options: MemoryCacheOptions): ResponseCache {
  const { mostBytes, mostEntryBytes = mostBytes / 8, hostShare = 1, ...others } = options;
  checkNumbers({ mostBytes, mostEntryBytes, hostShare });
  const store = { mostBytes, mostEntryBytes: Math.floor(mostEntryBytes), hostShare };
  return openCache(others, store, ({ memory }, row) => new MemoryStore(memory!, row));
}

/**
 * A cache in a store of one's own. What threads tell one another (who fetches what, what was purged) they share as with
 * `memoryCache`; whether they share what is stored is the store's affair. It is closed with the cache. What it throws or rejects with costs no
 * request its answer.
 * @throws TypeError for a second one of its name in a thread, and for options that are none
 */
export function storeCache(store: CacheStore, options: CacheOptions = {}): ResponseCache {
  return openCache(options, null, () => new GuardedStore(store));
}

function openCache(
  options: CacheOptions,
  memory: CacheMemorySettings | null,
  toStore: (memory: CacheMemory, row: number) => CacheStore,
): ResponseCache {
  const { name = "cache", label = "sluice", now, longestClaim, longestWait, mostTries, ...use } = options;
  checkNumbers({ longestClaim, longestWait, mostTries });
  if (!isCacheLabel(label)) throw new TypeError(`${JSON.stringify(label)} is no token`);
  const fills = {
    longestClaim: longestClaim ?? FILL_DEFAULTS.longestClaim,
    longestWait: longestWait ?? FILL_DEFAULTS.longestWait,
    mostTries: mostTries ?? FILL_DEFAULTS.mostTries,
  };
  const settings: CacheSettings = { name, label, memory, disk: null, redis: null, fills };
  const { memory: shared, row } = cacheMeans.source?.open(settings) ?? openHere(settings);
  const cache = openHttpCache(settings, shared, row, toStore(shared, row), now);
  return new ResponseCache(cache, use);
}

function openHere(settings: CacheSettings): { memory: CacheMemory; row: number } {
  return { memory: allocateCaches([settings], 1)[settings.name]!, row: 0 };
}
