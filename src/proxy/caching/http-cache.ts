import { letRun } from "../../base/let-run.ts";
import { turnDate } from "../../base/turn-clock.ts";
import type { CacheCounts } from "../../cache/cache-counts.ts";
import type { FillTable } from "../../cache/fills/fill-table.ts";
import type { Invalidations } from "../../cache/invalidations.ts";
import { DEFAULT_KEY_RULES, KeyMaker, type KeyRules } from "../../cache/key.ts";
import { KeyHash } from "../../cache/key-hash.ts";
import type { OtherMachines } from "../../cache/other-machines.ts";
import { type Purge, PurgeKind } from "../../cache/purges/purge.ts";
import type { PurgeList } from "../../cache/purges/purge-list.ts";
import { type CachePolicy, DEFAULT_POLICY } from "../../cache/rules/policy.ts";
import type { CacheKey, CacheStore } from "../../cache/store.ts";
import { CodedCopies } from "./coded-copies.ts";

/** What a cache is made of; one for each thread. */
export interface HttpCacheMeans {
  readonly store: CacheStore;
  readonly fills: FillTable;
  /** 128 bits in four words, the same in all threads that share memory. */
  readonly secret: ArrayLike<number>;
  /** What was purged, for all threads. Default: nothing ever is */
  readonly purges?: PurgeList | null;
  /** What was invalidated, for all threads. Default: fetches that are under way then don't know */
  readonly invalidations?: Invalidations | null;
  /** Default: nothing is counted */
  readonly counts?: CacheCounts | null;
  /** By which `Cache-Status` calls it (RFC 9211). Default: `sluice` */
  readonly name?: string;
  /** Milliseconds since 1970. Default: the time of the turn */
  readonly now?: () => number;
}

/** A cache as one thread sees it. */
export class HttpCache {
  readonly store: CacheStore;
  readonly fills: FillTable;
  readonly copies: CodedCopies;
  readonly purges: PurgeList | null;
  readonly invalidations: Invalidations | null;
  /** Who has it too; null: nobody. To be set before it is used. */
  others: OtherMachines | null = null;
  readonly counts: CacheCounts | null;
  readonly hash: KeyHash;
  readonly name: string;
  readonly now: () => number;

  constructor(means: HttpCacheMeans) {
    const { store, fills, secret, purges = null, counts = null, name = "sluice", now = turnDate } = means;
    this.store = store;
    this.fills = fills;
    this.copies = new CodedCopies(store);
    this.purges = purges;
    this.invalidations = means.invalidations ?? null;
    this.counts = counts;
    this.hash = new KeyHash(secret);
    this.name = name;
    this.now = now;
  }

  /**
   * Takes what is stored under a key from use, in all variants and threads, and what is on its way there as well.
   * @param key that of a URL, or one made of more; purged is the URL in all cases
   * @returns whether there was something under this key
   */
  purgeKey(key: CacheKey, isSoft: boolean = false): boolean | Promise<boolean> {
    const end = key.text.indexOf("\n");
    const text = end === -1 ? key.text : key.text.slice(0, end);
    const told = this.purge({ kind: PurgeKind.Key, text, isSoft });
    const removed = this.store.remove(key);
    return told instanceof Promise ? Promise.all([removed, told]).then(([wasThere]) => wasThere) : removed;
  }

  /**
   * Purges at once, in all threads; on other machines as soon as they hear of it.
   * @returns whether all are told by now; where others have it too, when they are or that takes longer, and where it is kept beyond
   *   a restart, when it is
   */
  purge(purge: Purge): boolean | Promise<boolean> {
    const told = this.others?.purge(purge) ?? true;
    if (this.others === null) this.purges?.add(purge);
    const kept = this.purges?.kept() ?? null;
    return kept === null ? told : kept.then(() => told);
  }

  /**
   * What is stored under a key isn't served any more, nor kept what is just being fetched for it.
   * @returns a promise where a restart could undo that still, until it is kept
   */
  invalidate(key: CacheKey): Promise<unknown> | null {
    this.invalidations?.add(key);
    if (this.others !== null) {
      this.others.invalidate(key);
      return null;
    }
    const removed = this.store.remove(key);
    return removed instanceof Promise ? removed.catch(() => undefined) : null;
  }

  /** What is stored under a key goes, and nobody waits for it: a store that fails says so itself. */
  forget(key: CacheKey): void {
    letRun(this.store.remove(key));
  }

  /** By which rules requests use it. */
  rules(key: Partial<KeyRules> = {}, policy: Partial<CachePolicy> = {}): CacheRules {
    return {
      cache: this,
      key: new KeyMaker({ ...DEFAULT_KEY_RULES, ...key }, this.hash),
      policy: { ...DEFAULT_POLICY, ...policy },
    };
  }
}

/** A cache with what holds for some of its requests. */
export interface CacheRules {
  readonly cache: HttpCache;
  readonly key: KeyMaker;
  readonly policy: CachePolicy;
}
