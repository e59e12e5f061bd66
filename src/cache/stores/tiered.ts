import { keptKey } from "../kept-key.ts";
import {
  type CacheEntry,
  type CacheKey,
  type CacheStore,
  EntryState,
  type EntryWriter,
  type StoreStats,
  type WriterOwner,
} from "../store.ts";
import { TieredWriter } from "./tiered-writer.ts";

export interface TieredStoreOptions {
  /** Quick and small. */
  readonly upper: CacheStore;
  /** Slow and large; has what the upper one has, as long as it can. */
  readonly lower: CacheStore;
  /** Bytes of the longest body that the upper one gets. */
  readonly mostUpperBytes: number;
  /** Whether two metas are of the same entry, of which each store has its own. Default: when they are equal */
  readonly isSame?: (one: Buffer, other: Buffer) => boolean;
  /** The meta that an entry gets above whose body is all there, by its length. Default: that which it has below */
  readonly toUpper?: (meta: Buffer, length: number) => Buffer;
}

/**
 * A quick store before a large one, such as memory before a disk. What is found in the upper one costs nothing more than there. What
 * is only in the lower one comes up when it is asked for: whoever asked reads it while it does. Bodies whose length isn't known
 * beforehand are written below alone where that can be, for one that outgrew the upper store would take its readers along.
 */
export class TieredStore implements CacheStore {
  readonly streams = true;
  readonly stats: StoreStats;
  readonly #upper: CacheStore;
  readonly #lower: CacheStore;
  readonly #mostUpperBytes: number;
  readonly #isSame: (one: Buffer, other: Buffer) => boolean;
  readonly #toUpper: (meta: Buffer, length: number) => Buffer;
  /** What comes up, and what changes or goes where nobody waits for it. */
  readonly #under: Set<Promise<unknown>> = new Set();

  constructor({ upper, lower, mostUpperBytes, isSame, toUpper }: TieredStoreOptions) {
    this.#upper = upper;
    this.#lower = lower;
    this.#mostUpperBytes = mostUpperBytes;
    this.#isSame = isSame ?? ((one, other) => one.equals(other));
    this.#toUpper = toUpper ?? ((meta) => meta);
    this.stats = new TieredStats(upper, lower);
  }

  find(key: CacheKey): CacheEntry | null | Promise<CacheEntry | null> {
    const found = this.#upper.find(key);
    if (found instanceof Promise) return found.then((entry) => entry ?? this.#findBelow(key));
    return found ?? this.#findBelow(key);
  }

  begin(key: CacheKey, meta: Buffer, length: number | null, owner: WriterOwner): EntryWriter | null {
    const writer = new TieredWriter(this.#keep(key), owner);
    const lower = this.#lower.begin(key, meta, length, writer.lowerOwner);
    const fits = length === null ? lower === null : length <= this.#mostUpperBytes;
    const upper = fits ? this.#upper.begin(key, meta, length, writer.upperOwner) : null;
    return writer.begin(upper, lower) ? writer : null;
  }

  /** Kept when it is found so: what is above is found there. */
  async update(entry: CacheEntry, meta: Buffer): Promise<void> {
    const { key } = entry;
    // The entry may have been let go of before it is found again.
    const before = Buffer.from(entry.meta);
    const isIt = (found: CacheEntry): boolean => this.#isSame(found.meta, before);
    const below = updateIn(this.#lower, key, isIt, meta);
    this.#watch(below);
    if (!(await updateIn(this.#upper, key, isIt, meta))) await below;
  }

  /** Below first, or what is just on its way up would come there afterwards. */
  remove(key: CacheKey): boolean | Promise<boolean> {
    const below = this.#lower.remove(key);
    const above = this.#upper.remove(key);
    if (typeof above === "boolean" && typeof below === "boolean") return above || below;
    return this.#removed(below, above, keptKey(key));
  }

  async #removed(
    below: boolean | Promise<boolean>,
    above: boolean | Promise<boolean>,
    key: CacheKey,
  ): Promise<boolean> {
    const wasThere = (await below) || (await above);
    return (await this.#upper.remove(key)) || wasThere;
  }

  async clear(): Promise<void> {
    await Promise.all([this.#upper.clear(), this.#lower.clear()]);
  }

  /** Resolves when nothing comes up or goes of what was begun by now. */
  async settled(): Promise<void> {
    await Promise.all(this.#under);
  }

  async close(): Promise<void> {
    await Promise.all([this.#upper.close(), this.#lower.close()]);
    await this.settled();
  }

  #findBelow(key: CacheKey): CacheEntry | null | Promise<CacheEntry | null> {
    const { text, hash } = key;
    const found = this.#lower.find(key);
    if (!(found instanceof Promise)) return found && this.#bringUp(key, found);
    const kept = { text, hash: hash.slice() };
    return found.then((entry) => entry && this.#bringUp(kept, entry));
  }

  /** @returns an entry to read by: above, or, where there is no room, below */
  #bringUp(key: CacheKey, entry: CacheEntry): CacheEntry {
    const { length, state, meta } = entry;
    if (state !== EntryState.Complete || length > this.#mostUpperBytes) return entry;
    // What was removed while it was looked for mustn't be found above by those who come after that.
    if (this.#lower.isCurrent?.(entry) === false) return entry;
    const climb = new Climb(entry, () => this.#dropUnlessCurrent(key, entry));
    const writer = this.#upper.begin(key, this.#toUpper(meta, length), length, climb);
    const above = writer?.open() ?? null;
    if (writer === null || above === null) {
      writer?.abort();
      return entry;
    }
    this.#watch(climb.run(writer));
    return above;
  }

  /** What was removed or replaced below mustn't stand above: who removes does it below first. */
  #dropUnlessCurrent(key: CacheKey, entry: CacheEntry): void {
    if (this.#lower.isCurrent?.(entry) === false) this.#watch(this.#upper.remove(key));
  }

  /** What a writer needs to know when only one of the two has the new entry. */
  #keep(key: CacheKey): { dropAbove(): void; dropBelow(): void } {
    const kept = keptKey(key);
    return {
      dropAbove: () => this.#watch(this.#upper.remove(kept)),
      dropBelow: () => this.#watch(this.#lower.remove(kept)),
    };
  }

  #watch(work: unknown): void {
    if (!(work instanceof Promise)) return;
    const watched = work.catch(() => undefined).finally(() => this.#under.delete(watched));
    this.#under.add(watched);
  }
}

/** An entry on its way up. */
class Climb implements WriterOwner {
  readonly #from: CacheEntry;
  readonly #drop: () => void;
  #isFailed = false;
  #goOn: (() => void) | null = null;

  /** @param drop has it gone from above if it isn't what its key leads to any more */
  constructor(from: CacheEntry, drop: () => void) {
    this.#from = from;
    this.#drop = drop;
  }

  onDrain(): void {
    this.#goOn?.();
  }

  onFailure(): void {
    this.#isFailed = true;
    this.#goOn?.();
  }

  /**
   * Copies as much as there is without waiting: of a short body all. Whatever is wrong, readers above are told.
   * @returns a promise only where something has to be waited for
   */
  run(writer: EntryWriter): Promise<void> | null {
    const first = this.#from.length === 0 ? null : this.#from.read(0, this.#from.length);
    if (!(first instanceof Promise)) {
      const end = first === null ? 0 : first.end - first.start;
      if (first !== null) writer.write(first.bytes, first.start, first.end);
      if (end === this.#from.length) {
        this.#finish(writer);
        this.#from.release();
        return null;
      }
    }
    return this.#runOn(writer, first);
  }

  /** Readers get all of it in any case. Before, so that nobody finds what is gone; after, for it may have gone in between. */
  #finish(writer: EntryWriter): void {
    this.#drop();
    writer.finish();
    this.#drop();
  }

  async #runOn(writer: EntryWriter, first: ReturnType<CacheEntry["read"]>): Promise<void> {
    const { length } = this.#from;
    try {
      let at = 0;
      for (let piece = await first; piece !== null; piece = await this.#from.read(at, length)) {
        // What could be read at once is written already.
        const isReady =
          at === 0 && !(first instanceof Promise) ? true : writer.write(piece.bytes, piece.start, piece.end);
        at += piece.end - piece.start;
        if (!isReady && !this.#isFailed) await new Promise<void>((resolve) => (this.#goOn = resolve));
        if (at === length || this.#isFailed) break;
      }
      if (at === length) this.#finish(writer);
      else writer.abort();
    } catch {
      writer.abort();
    } finally {
      this.#from.release();
    }
  }
}

/** An entry is in two places, and known by its meta in both. @returns whether it is there */
async function updateIn(
  store: CacheStore,
  key: CacheKey,
  isIt: (found: CacheEntry) => boolean,
  meta: Buffer,
): Promise<boolean> {
  const found = await store.find(key);
  if (found === null) return false;
  try {
    if (!isIt(found)) return false;
    await store.update(found, meta);
    return true;
  } finally {
    found.release();
  }
}

/** Most of what is above is below as well: counts of entries are those of the fuller one. */
class TieredStats implements StoreStats {
  readonly #upper: CacheStore;
  readonly #lower: CacheStore;

  constructor(upper: CacheStore, lower: CacheStore) {
    this.#upper = upper;
    this.#lower = lower;
  }

  get entries(): number {
    return Math.max(this.#upper.stats.entries, this.#lower.stats.entries);
  }

  get bytes(): number {
    return this.#upper.stats.bytes + this.#lower.stats.bytes;
  }

  get mostBytes(): number {
    return this.#upper.stats.mostBytes + this.#lower.stats.mostBytes;
  }

  get hits(): number {
    return this.#upper.stats.hits + this.#lower.stats.hits;
  }

  /** Whoever doesn't find it above looks below. */
  get misses(): number {
    return this.#lower.stats.misses;
  }

  get evictions(): number {
    return this.#upper.stats.evictions + this.#lower.stats.evictions;
  }

  get refused(): number {
    return Math.max(this.#upper.stats.refused, this.#lower.stats.refused);
  }

  get failures(): number {
    return Math.max(this.#upper.stats.failures, this.#lower.stats.failures);
  }
}
