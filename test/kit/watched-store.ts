import assert from "node:assert/strict";
import type {
  CacheEntry,
  CacheKey,
  CacheStore,
  EntryStateCode,
  EntryWriter,
  Piece,
  StoreStats,
  WriterOwner,
} from "../../src/cache/store.ts";

/** A store that knows how many of its entries are held, is slow when it is told to, and fails when it is told to. */
export class WatchedStore implements CacheStore {
  readonly streams: boolean;
  /** Entries that were lent and not released. */
  held = 0;
  /** How often something was looked for. */
  finds = 0;
  /** What is looked for is found, and what is removed goes, when this is kept; null: at once. */
  gate: Promise<void> | null = null;
  /** What gets other meta has it when this is kept; null: at once. */
  changing: Promise<void> | null = null;
  /** Bytes that an entry takes before there is no room for more. */
  room: number = Number.POSITIVE_INFINITY;
  readonly #store: CacheStore;

  constructor(store: CacheStore) {
    this.#store = store;
    this.streams = store.streams;
  }

  get stats(): StoreStats {
    return this.#store.stats;
  }

  find(key: CacheKey): CacheEntry | null | Promise<CacheEntry | null> {
    this.finds++;
    if (this.gate === null) return this.#lend(this.#store.find(key) as CacheEntry | null);
    const kept = { text: key.text, hash: key.hash.slice() };
    return this.gate.then(() => this.#lend(this.#store.find(kept) as CacheEntry | null));
  }

  begin(key: CacheKey, meta: Buffer, length: number | null, owner: WriterOwner): EntryWriter | null {
    const writer = this.#store.begin(key, meta, length, owner);
    return writer && new WatchedWriter(writer, this.room, owner, (entry) => this.#lend(entry));
  }

  update(entry: CacheEntry, meta: Buffer): void | Promise<void> {
    const update = (): void | Promise<void> => this.#store.update((entry as WatchedEntry).entry, meta);
    return this.changing === null ? update() : this.changing.then(update);
  }

  remove(key: CacheKey): boolean | Promise<boolean> {
    if (this.gate === null) return this.#store.remove(key);
    const kept = { text: key.text, hash: key.hash.slice() };
    return this.gate.then(() => this.#store.remove(kept));
  }

  clear(): void | Promise<void> {
    return this.#store.clear();
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #lend(entry: CacheEntry | null): CacheEntry | null {
    if (entry === null) return null;
    this.held++;
    return new WatchedEntry(entry, () => this.held--);
  }
}

class WatchedEntry implements CacheEntry {
  readonly entry: CacheEntry;
  readonly #onRelease: () => void;
  #isReleased = false;

  constructor(entry: CacheEntry, onRelease: () => void) {
    this.entry = entry;
    this.#onRelease = onRelease;
  }

  get key(): CacheKey {
    return this.#lent.key;
  }

  get meta(): Buffer {
    return this.#lent.meta;
  }

  get length(): number {
    return this.#lent.length;
  }

  get state(): EntryStateCode {
    return this.#lent.state;
  }

  read(offset: number, end: number): Piece | null | Promise<Piece | null> {
    return this.#lent.read(offset, end);
  }

  whenMore(offset: number, listener: () => void): void {
    this.#lent.whenMore(offset, () => {
      assert.ok(!this.#isReleased, "who has let go of an entry is told nothing");
      listener();
    });
  }

  release(): void {
    this.#lent.release();
    this.#isReleased = true;
    this.#onRelease();
  }

  get #lent(): CacheEntry {
    assert.ok(!this.#isReleased, "an entry is of no use once it was released");
    return this.entry;
  }
}

class WatchedWriter implements EntryWriter {
  readonly #writer: EntryWriter;
  readonly #owner: WriterOwner;
  readonly #lend: (entry: CacheEntry | null) => CacheEntry | null;
  #room: number;

  constructor(
    writer: EntryWriter,
    room: number,
    owner: WriterOwner,
    lend: (entry: CacheEntry | null) => CacheEntry | null,
  ) {
    this.#writer = writer;
    this.#room = room;
    this.#owner = owner;
    this.#lend = lend;
  }

  open(): CacheEntry | null {
    return this.#lend(this.#writer.open());
  }

  write(bytes: Buffer, start: number, end: number): boolean {
    this.#room -= end - start;
    if (this.#room >= 0) return this.#writer.write(bytes, start, end);
    if (this.#room === Number.NEGATIVE_INFINITY) return true;
    this.#room = Number.NEGATIVE_INFINITY;
    this.#writer.abort();
    this.#owner.onFailure(new Error("no room"));
    return true;
  }

  finish(): void | Promise<void> {
    return this.#writer.finish();
  }

  abort(): void {
    this.#writer.abort();
  }
}
