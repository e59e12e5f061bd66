import { describeThrown, isThenable } from "../../base/errors.ts";
import type {
  CacheEntry,
  CacheKey,
  CacheStore,
  EntryWriter,
  StoreStats,
  WriterOwner,
} from "../../cache/store.ts";

/**
 * A store of somebody else's. What it throws or rejects with costs no request its answer: it has found nothing, or takes nothing. Whoever
 * runs it is warned, of each kind of call once.
 */
export class GuardedStore implements CacheStore {
  readonly streams: boolean;
  readonly #store: CacheStore;
  readonly #warned = new Set<string>();

  constructor(store: CacheStore) {
    this.#store = store;
    this.streams = store.streams;
  }

  get stats(): StoreStats {
    return this.#store.stats;
  }

  find(key: CacheKey): CacheEntry | null | Promise<CacheEntry | null> {
    try {
      const found = this.#store.find(key) ?? null;
      return isThenable(found) ? this.#awaitEntry(found) : found;
    } catch (thrown) {
      this.#warn("find", thrown);
      return null;
    }
  }

  begin(key: CacheKey, meta: Buffer, length: number | null, owner: WriterOwner): EntryWriter | null {
    try {
      return this.#store.begin(key, meta, length, owner) ?? null;
    } catch (thrown) {
      this.#warn("begin", thrown);
      return null;
    }
  }

  update(entry: CacheEntry, meta: Buffer): void | Promise<void> {
    try {
      const updated = this.#store.update(entry, meta);
      if (isThenable(updated)) return this.#noting("update", updated);
    } catch (thrown) {
      this.#warn("update", thrown);
    }
  }

  /** Rejects where it isn't known to have gone. */
  remove(key: CacheKey): boolean | Promise<boolean> {
    try {
      const removed = this.#store.remove(key);
      return isThenable(removed) ? this.#noting("remove", removed) : removed;
    } catch (thrown) {
      this.#warn("remove", thrown);
      return Promise.reject(thrown);
    }
  }

  clear(): void | Promise<void> {
    return this.#store.clear();
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #awaitEntry(found: PromiseLike<CacheEntry | null>): Promise<CacheEntry | null> {
    try {
      return (await found) ?? null;
    } catch (thrown) {
      this.#warn("find", thrown);
      return null;
    }
  }

  async #noting<T>(call: string, work: PromiseLike<T>): Promise<T> {
    try {
      return await work;
    } catch (thrown) {
      this.#warn(call, thrown);
      throw thrown;
    }
  }

  #warn(call: string, thrown: unknown): void {
    if (this.#warned.has(call)) return;
    this.#warned.add(call);
    process.emitWarning(`${call} of a store of caches failed: ${describeThrown(thrown)}`);
  }
}
