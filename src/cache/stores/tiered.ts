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
}

/**
 * A quick store before a large one, such as memory before a disk. What is found in the upper one costs nothing more than there. What
 * is only in the lower one comes up when it is asked for: whoever asked reads it while it does. Bodies whose length isn't known
 * beforehand are written below alone, for one that outgrew the upper store would take its readers along.
 */
export class TieredStore implements CacheStore {
  readonly streams = true;
  readonly stats: StoreStats;
  readonly #upper: CacheStore;
  readonly #lower: CacheStore;
  readonly #mostUpperBytes: number;
  /** What comes up, and what is removed where nobody waits for it. */
  readonly #under: Set<Promise<unknown>> = new Set();

  constructor({ upper, lower, mostUpperBytes }: TieredStoreOptions) {
    this.#upper = upper;
    this.#lower = lower;
    this.#mostUpperBytes = mostUpperBytes;
    this.stats = new TieredStats(upper, lower);
  }

  find(key: CacheKey): CacheEntry | null | Promise<CacheEntry | null> {
    const found = this.#upper.find(key);
    if (found instanceof Promise) return found.then((entry) => entry ?? this.#findBelow(key));
    return found ?? this.#findBelow(key);
  }

  begin(key: CacheKey, meta: Buffer, length: number | null, owner: WriterOwner): EntryWriter | null {
    const fits = length !== null && length <= this.#mostUpperBytes;
    const writer = new TieredWriter(this.#keep(key), owner);
    const upper = fits ? this.#upper.begin(key, meta, length, writer.upperOwner) : null;
    const lower = this.#lower.begin(key, meta, length, writer.lowerOwner);
    return writer.begin(upper, lower) ? writer : null;
  }

  async update(entry: CacheEntry, meta: Buffer): Promise<void> {
    const { key } = entry;
    // The entry may have been let go of before it is found again.
    const before = Buffer.from(entry.meta);
    await Promise.all([updateIn(this.#upper, key, before, meta), updateIn(this.#lower, key, before, meta)]);
  }

  remove(key: CacheKey): boolean | Promise<boolean> {
    const above = this.#upper.remove(key);
    const below = this.#lower.remove(key);
    if (typeof above === "boolean" && typeof below === "boolean") return above || below;
    return Promise.all([above, below]).then(([first, second]) => first || second);
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
    const climb = new Climb(entry);
    const writer = this.#upper.begin(key, meta, length, climb);
    const above = writer?.open() ?? null;
    if (writer === null || above === null) {
      writer?.abort();
      return entry;
    }
    this.#watch(climb.run(writer, () => this.#isStillOurs(key)));
    return above;
  }

  /** Whether what is written above is still what the key leads to: it may have been removed or replaced meanwhile. */
  async #isStillOurs(key: CacheKey): Promise<boolean> {
    const found = await this.#upper.find(key);
    const isOurs = found?.state === EntryState.Writing;
    found?.release();
    return isOurs;
  }

  /** What a writer needs to know when only one of the two has the new entry. */
  #keep(key: CacheKey): { dropAbove(): void; dropBelow(): void } {
    const kept = { text: key.text, hash: key.hash.slice() };
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
  #isFailed = false;
  #goOn: (() => void) | null = null;

  constructor(from: CacheEntry) {
    this.#from = from;
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
  run(writer: EntryWriter, isStillWanted: () => Promise<boolean>): Promise<void> | null {
    const first = this.#from.length === 0 ? null : this.#from.read(0, this.#from.length);
    if (!(first instanceof Promise)) {
      const end = first === null ? 0 : first.end - first.start;
      if (first !== null) writer.write(first.bytes, first.start, first.end);
      if (end === this.#from.length) {
        writer.finish();
        this.#from.release();
        return null;
      }
    }
    return this.#runOn(writer, first, isStillWanted);
  }

  async #runOn(
    writer: EntryWriter,
    first: ReturnType<CacheEntry["read"]>,
    isStillWanted: () => Promise<boolean>,
  ): Promise<void> {
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
      if (at === length && (await isStillWanted())) writer.finish();
      else writer.abort();
    } catch {
      writer.abort();
    } finally {
      this.#from.release();
    }
  }
}

/** An entry is in two places, and known by its meta in both. */
async function updateIn(store: CacheStore, key: CacheKey, before: Buffer, meta: Buffer): Promise<void> {
  const found = await store.find(key);
  if (found === null) return;
  try {
    if (found.meta.equals(before)) await store.update(found, meta);
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
