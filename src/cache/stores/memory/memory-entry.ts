import { type CacheEntry, type CacheKey, EntryState, type EntryStateCode, type Piece } from "../../store.ts";
import type { Waiting } from "./door-bells.ts";
import type { EntryTable } from "./entry-table.ts";
import { readKey } from "./key-text.ts";
import { CHUNK_HEAD, ChunkWord, Flag, RECORD_BYTES, WORD, Word } from "./store-memory.ts";

const HASH_WORDS = 4;

/** A piece of the store's one buffer; the same object for each. */
class StorePiece implements Piece {
  readonly bytes: Buffer;
  start = 0;
  end = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

/** An entry as its holder reads it, without the lock: what is held neither moves nor goes. */
export class MemoryEntry implements CacheEntry, Waiting {
  readonly record: number;
  readonly place: number;
  readonly recordAt: number;
  readonly #table: EntryTable;
  readonly #words: Int32Array;
  readonly #piece: StorePiece;
  /** Of an entry that was complete when it was found, which stays as it is; -1 of others. */
  readonly #finalLength: number;
  #meta: Buffer | null = null;
  /** The chunk that was read last, the first byte of the body in it, and of those after it. */
  #chunk: number;
  #begin = 0;
  #end: number;
  #listener: (() => void) | null = null;
  #wanted = 0;
  #isReleased = false;

  constructor(table: EntryTable, record: number, place: number) {
    this.#table = table;
    this.record = record;
    this.place = place;
    this.recordAt = table.memory.wordOf(record);
    this.#words = table.memory.words;
    this.#piece = new StorePiece(table.memory.bytes);
    this.#chunk = record;
    this.#end = this.#words[this.recordAt + Word.Inline]!;
    const isComplete = Atomics.load(this.#words, this.recordAt + Word.State) === EntryState.Complete;
    this.#finalLength = isComplete ? this.#words[this.recordAt + Word.Length]! : -1;
  }

  get key(): CacheKey {
    const words = this.#words;
    const at = this.recordAt;
    const isWide = (words[at + Word.Flags]! & Flag.Wide) !== 0;
    const { bytes } = this.#table.memory;
    const text = readKey(bytes, at * WORD + RECORD_BYTES, words[at + Word.KeyBytes]!, isWide);
    return { text, hash: words.slice(at + Word.Hash, at + Word.Hash + HASH_WORDS) };
  }

  get meta(): Buffer {
    if (this.#meta === null) {
      const at = this.recordAt * WORD + RECORD_BYTES + this.#words[this.recordAt + Word.KeyBytes]!;
      this.#meta = this.#table.views.of(at, this.#words[this.recordAt + Word.MetaBytes]!);
    }
    return this.#meta;
  }

  get length(): number {
    return this.#finalLength >= 0
      ? this.#finalLength
      : Atomics.load(this.#words, this.recordAt + Word.Length);
  }

  get state(): EntryStateCode {
    if (this.#finalLength >= 0) return EntryState.Complete;
    return Atomics.load(this.#words, this.recordAt + Word.State) as EntryStateCode;
  }

  read(offset: number, end: number): Piece | null {
    const limit = Math.min(end, this.length);
    if (offset >= limit) return null;
    this.#seek(offset);
    const piece = this.#piece;
    piece.start = this.#firstByte() + offset - this.#begin;
    piece.end = piece.start + Math.min(limit, this.#end) - offset;
    return piece;
  }

  whenMore(offset: number, listener: () => void): void {
    if (this.#listener !== null) this.#table.bells.forget(this);
    this.#listener = listener;
    this.#wanted = offset;
    if (this.isDue()) queueMicrotask(() => this.#ringFor(listener));
    else this.#table.bells.wait(this);
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    if (this.#listener !== null) this.#table.bells.forget(this);
    this.#listener = null;
    this.#table.release(this);
  }

  isDue(): boolean {
    return this.length > this.#wanted || this.state !== EntryState.Writing;
  }

  ring(): void {
    const listener = this.#listener;
    this.#listener = null;
    listener?.();
  }

  #ringFor(listener: () => void): void {
    if (this.#listener === listener) this.ring();
  }

  #seek(offset: number): void {
    if (offset < this.#begin) {
      this.#chunk = this.record;
      this.#begin = 0;
      this.#end = this.#words[this.recordAt + Word.Inline]!;
    }
    while (offset >= this.#end) {
      this.#chunk = this.#words[this.#table.memory.wordOf(this.#chunk) + ChunkWord.Next]! - 1;
      this.#begin = this.#end;
      this.#end += this.#table.bytesOf(this.#chunk) - CHUNK_HEAD;
    }
  }

  #firstByte(): number {
    const { memory } = this.#table;
    if (this.#chunk !== this.record) return memory.byteOf(this.#chunk) + CHUNK_HEAD;
    const at = this.recordAt;
    const before = this.#words[at + Word.KeyBytes]! + this.#words[at + Word.MetaBytes]!;
    return at * WORD + RECORD_BYTES + before;
  }
}
