import type { CacheEntry, EntryWriter, WriterOwner } from "../../store.ts";
import type { EntryTable, Hold } from "./entry-table.ts";
import { MemoryEntry } from "./memory-entry.ts";
import { CHUNK_HEAD, ChunkWord, RECORD_BYTES, WORD, Word } from "./store-memory.ts";

/** What of the last chunk may stay empty. */
const LOOSE_SHARE = 1 / 8;
const LOOSE_BYTES = 128;
const LEAST_GROWTH = 1024;
const GROWTH = 1 / 4;

/** Writes an entry into chunks that it alone knows until it says how far it is. */
export class MemoryWriter implements EntryWriter, Hold {
  readonly record: number;
  readonly place: number;
  readonly #table: EntryTable;
  readonly #announced: number;
  readonly #owner: WriterOwner;
  readonly #recordAt: number;
  readonly #overhead: number;
  #length = 0;
  /** Where the next byte goes, and where its chunk ends. */
  #at: number;
  #end: number;
  #chunkBytes: number;
  #chunk: number;
  #isOver = false;

  /** @param announced bytes of the body, -1: unknown */
  constructor(table: EntryTable, hold: Hold, announced: number, owner: WriterOwner) {
    this.#table = table;
    this.record = hold.record;
    this.place = hold.place;
    this.#announced = announced;
    this.#owner = owner;
    const { words } = table.memory;
    const at = table.memory.wordOf(hold.record);
    this.#recordAt = at;
    this.#overhead = RECORD_BYTES + words[at + Word.KeyBytes]! + words[at + Word.MetaBytes]!;
    this.#at = at * WORD + this.#overhead;
    this.#end = this.#at + words[at + Word.Inline]!;
    this.#chunkBytes = 0;
    this.#chunk = hold.record;
  }

  /**
   * Takes all the room for what was announced, so that whoever reads along isn't cut off for want of it: piece by piece, since others
   * need the lock too, and before anybody can find it.
   * @returns false: there isn't as much, and nothing is left of it
   */
  reserve(): boolean {
    let missing = this.#announced - (this.#end - this.#at);
    while (missing > 0) {
      const chunk = this.#table.grow(this.record, missing);
      if (chunk === -1) {
        this.#isOver = true;
        this.#table.refuse(this);
        return false;
      }
      missing -= this.#table.bytesOf(chunk) - CHUNK_HEAD;
    }
    if (this.#announced > 0) this.#table.publish(this.record);
    return true;
  }

  open(): CacheEntry | null {
    if (this.#isOver) return null;
    const place = this.#table.hold(this.record);
    return place === -1 ? null : new MemoryEntry(this.#table, this.record, place);
  }

  write(bytes: Buffer, start: number, end: number): boolean {
    if (this.#isOver) return true;
    const { memory, bells } = this.#table;
    const total = this.#length + end - start;
    if (this.#announced !== -1 && total > this.#announced) return this.#fail("longer than was announced");
    if (total + this.#overhead > memory.mostEntry) return this.#fail("larger than the largest entry");
    for (let from = start; from < end; ) {
      if (this.#at === this.#end && !this.#grow(end - from)) return this.#fail("no room for it in the cache");
      const count = Math.min(end - from, this.#end - this.#at);
      bytes.copy(memory.bytes, this.#at, from, from + count);
      this.#at += count;
      this.#length += count;
      from += count;
    }
    Atomics.store(memory.words, this.#recordAt + Word.Length, this.#length);
    bells.tell(this.#recordAt);
    return true;
  }

  finish(): void {
    if (this.#isOver) return;
    if (this.#announced !== -1 && this.#length !== this.#announced) {
      this.#fail("shorter than was announced");
      return;
    }
    this.#isOver = true;
    const empty = this.#end - this.#at;
    this.#table.finish(this, empty > LOOSE_BYTES && empty > this.#chunkBytes * LOOSE_SHARE);
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#table.fail(this);
  }

  #grow(bytes: number): boolean {
    const { memory } = this.#table;
    const chunk =
      this.#announced === -1
        ? this.#table.grow(this.record, this.#guess(bytes))
        : memory.words[memory.wordOf(this.#chunk) + ChunkWord.Next]! - 1;
    if (chunk === -1) return false;
    this.#chunk = chunk;
    this.#chunkBytes = this.#table.bytesOf(chunk);
    this.#at = memory.byteOf(chunk) + CHUNK_HEAD;
    this.#end = memory.byteOf(chunk) + this.#chunkBytes;
    return true;
  }

  /** Of a body of unknown length the more is kept ready the longer it already is. */
  #guess(bytes: number): number {
    return Math.max(bytes, LEAST_GROWTH, this.#length * GROWTH);
  }

  #fail(why: string): true {
    this.abort();
    this.#owner.onFailure(new Error(`A response wasn't cached: ${why}`));
    return true;
  }
}
