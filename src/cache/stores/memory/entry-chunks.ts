import { ChunkPages } from "./chunk-pages.ts";
import type { EntryQueues } from "./entry-queues.ts";
import type { HostShares } from "./host-shares.ts";
import type { KeyIndex } from "./key-index.ts";
import { UNIT } from "./size-classes.ts";
import {
  CHUNK_HEAD,
  ChunkWord,
  Count,
  Flag,
  Header,
  hostOf,
  RECORD_BYTES,
  type StoreMemory,
  Word,
} from "./store-memory.ts";

const RECORD_WORDS = RECORD_BYTES / Int32Array.BYTES_PER_ELEMENT;

/** Entries as chains of chunks: where they are, how they grow, move and go. All of it under the lock. */
export class EntryChunks {
  readonly pages: ChunkPages;
  readonly #memory: StoreMemory;
  readonly #words: Int32Array;
  readonly #index: KeyIndex;
  readonly #queues: EntryQueues;
  readonly #hosts: HostShares;

  constructor(memory: StoreMemory, index: KeyIndex, queues: EntryQueues, hosts: HostShares) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#index = index;
    this.#queues = queues;
    this.#hosts = hosts;
    this.pages = new ChunkPages(memory, this);
  }

  /**
   * A chunk with a record that says nothing yet, for so many bytes or less; others go for it.
   * @param least bytes that have to fit into it
   * @param host whose it is
   * @returns -1 when there is no room
   */
  create(bytes: number, least: number, host: number): number {
    const record = this.#take(this.pages.classFor(bytes, least), host);
    if (record === -1) return -1;
    const at = this.#memory.wordOf(record);
    this.#words.fill(0, at, at + RECORD_WORDS);
    this.#words[at + Word.Owner] = record + 1;
    this.#words[at + Word.Last] = record + 1;
    this.#words[at + Word.Flags] = host * Flag.Host;
    this.#count(at, this.pages.unitsOf(record));
    return record;
  }

  /**
   * One chunk more at the end of the entry, which somebody holds, for so many bytes of its body or less.
   * @returns -1 when there is no room
   */
  grow(record: number, bytes: number): number {
    const words = this.#words;
    const recordAt = this.#memory.wordOf(record);
    const chunk = this.#take(
      this.pages.classFor(bytes + CHUNK_HEAD, 0),
      hostOf(words[recordAt + Word.Flags]!),
    );
    if (chunk === -1) return -1;
    const at = this.#memory.wordOf(chunk);
    const last = words[recordAt + Word.Last]!;
    words[at + ChunkWord.Owner] = record + 1;
    words[at + ChunkWord.Next] = 0;
    words[at + ChunkWord.Prev] = last;
    words[this.#memory.wordOf(last - 1) + ChunkWord.Next] = chunk + 1;
    words[recordAt + Word.Last] = chunk + 1;
    this.#count(recordAt, this.pages.unitsOf(chunk));
    return chunk;
  }

  /** It is found from now on. */
  link(record: number): void {
    this.#words[this.#memory.wordOf(record) + Word.Flags]! |= Flag.Linked;
    this.#words[Header.Entries]!++;
    this.#index.add(record);
  }

  /** It isn't found any more, and is gone when nobody holds it. */
  drop(record: number): void {
    const words = this.#words;
    const at = this.#memory.wordOf(record);
    if ((words[at + Word.Flags]! & Flag.Linked) !== 0) {
      this.#index.remove(record);
      this.#queues.remove(record);
      words[Header.Entries]!--;
    }
    words[at + Word.Flags] = (words[at + Word.Flags]! & ~Flag.Linked) | Flag.Removed;
    if (words[at + Word.Pins] === 0) this.#free(record);
  }

  /** Nobody holds it any more. */
  settle(record: number): void {
    const flags = this.#words[this.#memory.wordOf(record) + Word.Flags]!;
    if ((flags & Flag.Linked) === 0) this.#free(record);
    else if ((flags & Flag.Loose) !== 0) this.#tighten(record);
  }

  /** Gives all that comes after the first chunk to another record, which stays as long as `from` does. */
  bequeath(from: number, to: number): void {
    const words = this.#words;
    const fromAt = this.#memory.wordOf(from);
    const toAt = this.#memory.wordOf(to);
    const next = words[fromAt + Word.Next]!;
    if (next === 0) return;
    const units = words[fromAt + Word.Units]! - this.pages.unitsOf(from);
    words[toAt + Word.Next] = next;
    words[toAt + Word.Last] = words[fromAt + Word.Last]!;
    words[toAt + Word.Pins]!++;
    words[fromAt + Word.Heir] = to + 1;
    this.#rename(to);
    words[fromAt + Word.Units]! -= units;
    this.#queues.grown(toAt, units);
  }

  mayMove(chunk: number): boolean {
    const owner = this.#words[this.#memory.wordOf(chunk) + ChunkWord.Owner]! - 1;
    return this.#words[this.#memory.wordOf(owner) + Word.Pins] === 0;
  }

  moved(from: number, to: number): void {
    const words = this.#words;
    const at = this.#memory.wordOf(to);
    if (words[at + ChunkWord.Owner] !== from + 1) {
      this.#movedRest(from, to);
      return;
    }
    words[at + Word.Owner] = to + 1;
    if (words[at + Word.Last] === from + 1) words[at + Word.Last] = to + 1;
    this.#index.moved(from, to);
    this.#queues.moved(to);
    this.#rename(to);
  }

  #movedRest(from: number, to: number): void {
    const words = this.#words;
    const at = this.#memory.wordOf(to);
    const next = words[at + ChunkWord.Next]!;
    const lastAt = this.#memory.wordOf(words[at + ChunkWord.Owner]! - 1) + Word.Last;
    words[this.#memory.wordOf(words[at + ChunkWord.Prev]! - 1) + ChunkWord.Next] = to + 1;
    if (next !== 0) words[this.#memory.wordOf(next - 1) + ChunkWord.Prev] = to + 1;
    if (words[lastAt] === from + 1) words[lastAt] = to + 1;
  }

  /** Tells the chunks of a record where it is. */
  #rename(record: number): void {
    const words = this.#words;
    const first = words[this.#memory.wordOf(record) + Word.Next]!;
    if (first !== 0) words[this.#memory.wordOf(first - 1) + ChunkWord.Prev] = record + 1;
    for (let chunk = first; chunk !== 0; chunk = words[this.#memory.wordOf(chunk - 1) + ChunkWord.Next]!)
      words[this.#memory.wordOf(chunk - 1) + ChunkWord.Owner] = record + 1;
  }

  #take(sizeClass: number, host: number): number {
    for (;;) {
      const chunk = this.pages.take(sizeClass);
      if (chunk !== -1) return chunk;
      if (this.pages.compact()) continue;
      const victim = this.#queues.victim(this.#hosts.isOver(host) ? host : 0);
      if (victim === -1) return -1;
      this.#memory.counts[Count.evictions]!++;
      this.drop(victim);
    }
  }

  #free(record: number): void {
    const words = this.#words;
    const at = this.#memory.wordOf(record);
    const heir = words[at + Word.Heir]! - 1;
    let next = heir === -1 ? words[at + Word.Next]! : 0;
    words[Header.Units]! -= words[at + Word.Units]!;
    this.#hosts.count(hostOf(words[at + Word.Flags]!), -words[at + Word.Units]!);
    this.pages.free(record);
    while (next !== 0) {
      const chunk = next - 1;
      next = words[this.#memory.wordOf(chunk) + ChunkWord.Next]!;
      this.pages.free(chunk);
    }
    if (heir !== -1 && --words[this.#memory.wordOf(heir) + Word.Pins]! === 0) this.settle(heir);
  }

  /** Puts what is in the last chunk into a smaller one, if there is one to be had for nothing. */
  #tighten(record: number): void {
    const words = this.#words;
    const at = this.#memory.wordOf(record);
    words[at + Word.Flags]! &= ~Flag.Loose;
    const last = words[at + Word.Last]! - 1;
    if (last === record) return;
    const units = this.pages.unitsOf(last);
    const used = CHUNK_HEAD + words[at + Word.Length]! - this.#bytesBeforeLast(record);
    const tighter = this.pages.fittingClass(used);
    if (this.#memory.sizes[tighter]! >= units) return;
    const chunk = this.pages.take(tighter);
    if (chunk === -1) return;
    const from = this.#memory.byteOf(last);
    this.#memory.bytes.copyWithin(this.#memory.byteOf(chunk), from, from + used);
    this.moved(last, chunk);
    this.pages.free(last);
    this.#count(at, this.pages.unitsOf(chunk) - units);
  }

  #bytesBeforeLast(record: number): number {
    const words = this.#words;
    const at = this.#memory.wordOf(record);
    let bytes = words[at + Word.Inline]!;
    for (let chunk = words[at + Word.Next]!; chunk !== words[at + Word.Last]; ) {
      bytes += this.pages.unitsOf(chunk - 1) * UNIT - CHUNK_HEAD;
      chunk = words[this.#memory.wordOf(chunk - 1) + ChunkWord.Next]!;
    }
    return bytes;
  }

  #count(recordAt: number, units: number): void {
    this.#words[Header.Units]! += units;
    this.#hosts.count(hostOf(this.#words[recordAt + Word.Flags]!), units);
    this.#queues.grown(recordAt, units);
  }
}
