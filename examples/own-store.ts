/**
 * A store of one's own for a cache: a Map, of which what was used longest ago makes room for what comes. It is one thread's alone; a
 * store that threads or machines share is written in the same way.
 *
 *     sluice run examples/own-store.ts --bind 127.0.0.1:6188 --threads 1
 */
import {
  type CacheEntry,
  type CacheKey,
  type CacheStore,
  defineProxy,
  EntryState,
  type EntryWriter,
  HttpPeer,
  type Piece,
  type StoreStats,
  storeCache,
  type WriterOwner,
} from "sluice";

/** What is stored under a key. It lives on as long as somebody reads it, whatever becomes of it in the Map. */
interface Stored {
  readonly key: CacheKey;
  meta: Buffer;
  readonly body: Buffer;
}

/** Each who finds something gets a handle of its own. */
class MapEntry implements CacheEntry {
  readonly state = EntryState.Complete;
  readonly stored: Stored;
  #listener: (() => void) | null = null;

  constructor(stored: Stored) {
    this.stored = stored;
  }

  get key(): CacheKey {
    return this.stored.key;
  }

  get meta(): Buffer {
    return this.stored.meta;
  }

  get length(): number {
    return this.stored.body.length;
  }

  read(offset: number, end: number): Piece | null {
    const { body } = this.stored;
    return offset < body.length ? { bytes: body, start: offset, end: Math.min(end, body.length) } : null;
  }

  // All of it is there: the listener is called soon, but not before this returns.
  whenMore(_offset: number, listener: () => void): void {
    this.#listener = listener;
    queueMicrotask(() => {
      if (this.#listener === listener) listener();
    });
  }

  release(): void {
    this.#listener = null;
  }
}

/** Gathers what comes. It can be found once all of it is there: `streams` is false. */
class MapWriter implements EntryWriter {
  readonly key: CacheKey;
  readonly meta: Buffer;
  readonly owner: WriterOwner;
  readonly #store: MapStore;
  readonly #most: number;
  readonly #length: number | null;
  #pieces: Buffer[] = [];
  #size = 0;
  #isOver = false;

  constructor(store: MapStore, key: CacheKey, meta: Buffer, length: number | null, owner: WriterOwner) {
    this.#store = store;
    this.key = { text: key.text, hash: Int32Array.from(key.hash) };
    this.meta = Buffer.from(meta);
    this.#length = length;
    this.#most = length ?? store.mostEntryBytes - meta.length;
    this.owner = owner;
  }

  open(): null {
    return null;
  }

  write(bytes: Buffer, start: number, end: number): boolean {
    if (this.#isOver) return true;
    this.#size += end - start;
    if (this.#size > this.#most) this.#fail("it is too large");
    else this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
    return true;
  }

  finish(): void {
    if (this.#isOver) return;
    if (this.#length !== null && this.#size !== this.#length) this.#fail("it is too short");
    else this.#end(Buffer.concat(this.#pieces));
  }

  abort(): void {
    if (!this.#isOver) this.#end(null);
  }

  #fail(message: string): void {
    this.#end(null);
    this.owner.onFailure(new Error(message));
  }

  #end(body: Buffer | null): void {
    this.#isOver = true;
    this.#pieces = [];
    this.#store.take(this, body);
  }
}

export class MapStore implements CacheStore {
  readonly streams = false;
  readonly mostBytes: number;
  readonly mostEntryBytes: number;
  /** By the texts of keys, what was used longest ago first. */
  readonly #stored = new Map<string, Stored>();
  readonly #writing = new Set<MapWriter>();
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  #evictions = 0;
  #refused = 0;
  #failures = 0;

  constructor(mostBytes: number, mostEntryBytes: number = mostBytes / 8) {
    this.mostBytes = mostBytes;
    this.mostEntryBytes = mostEntryBytes;
  }

  get stats(): StoreStats {
    return {
      ...{ entries: this.#stored.size, bytes: this.#bytes, mostBytes: this.mostBytes },
      ...{ hits: this.#hits, misses: this.#misses, evictions: this.#evictions },
      ...{ refused: this.#refused, failures: this.#failures },
    };
  }

  find({ text }: CacheKey): CacheEntry | null {
    const stored = this.#stored.get(text);
    if (stored === undefined) {
      this.#misses++;
      return null;
    }
    this.#hits++;
    this.#stored.delete(text);
    this.#stored.set(text, stored);
    return new MapEntry(stored);
  }

  begin(key: CacheKey, meta: Buffer, length: number | null, owner: WriterOwner): EntryWriter | null {
    if (meta.length + (length ?? 0) > this.mostEntryBytes) {
      this.#refused++;
      return null;
    }
    const writer = new MapWriter(this, key, meta, length, owner);
    this.#writing.add(writer);
    return writer;
  }

  /** A writer has come to its end. @param body null: not all of it came */
  take(writer: MapWriter, body: Buffer | null): void {
    const isWanted = this.#writing.delete(writer);
    if (body === null) this.#failures++;
    else if (isWanted) this.#put({ key: writer.key, meta: writer.meta, body });
  }

  update(entry: CacheEntry, meta: Buffer): void {
    if (!(entry instanceof MapEntry) || !this.isCurrent(entry)) return;
    this.#bytes += meta.length - entry.stored.meta.length;
    entry.stored.meta = Buffer.from(meta);
  }

  isCurrent(entry: CacheEntry): boolean {
    return entry instanceof MapEntry && this.#stored.get(entry.key.text) === entry.stored;
  }

  remove({ text }: CacheKey): boolean {
    // What is still coming may be as old as what is removed.
    for (const writer of this.#writing) if (writer.key.text === text) this.#writing.delete(writer);
    return this.#drop(text);
  }

  clear(): void {
    this.#writing.clear();
    this.#stored.clear();
    this.#bytes = 0;
  }

  async close(): Promise<void> {
    this.clear();
  }

  #put(stored: Stored): void {
    this.#drop(stored.key.text);
    this.#stored.set(stored.key.text, stored);
    this.#bytes += sizeOf(stored);
    for (const [text] of this.#stored) {
      if (this.#bytes <= this.mostBytes) return;
      this.#drop(text);
      this.#evictions++;
    }
  }

  #drop(text: string): boolean {
    const stored = this.#stored.get(text);
    if (stored === undefined) return false;
    this.#bytes -= sizeOf(stored);
    return this.#stored.delete(text);
  }
}

function sizeOf({ meta, body }: Stored): number {
  return meta.length + body.length;
}

const pages = storeCache(new MapStore(64 * 2 ** 20));
const origin = new HttpPeer(process.env.ORIGIN ?? "127.0.0.1:3000");

export default defineProxy({
  requestCacheFilter: () => pages,
  upstreamPeer: () => origin,
});
