import type { CacheKey } from "../../store.ts";
import { EntryState } from "../../store.ts";
import { DoorBells } from "./door-bells.ts";
import { EntryChunks } from "./entry-chunks.ts";
import { EntryQueues } from "./entry-queues.ts";
import { GhostTable } from "./ghost-table.ts";
import { HostShares } from "./host-shares.ts";
import { KeptViews } from "./kept-views.ts";
import { KeyIndex } from "./key-index.ts";
import { isWide, keyBytes, writeKey } from "./key-text.ts";
import { Pins, takeRow } from "./pins.ts";
import { Recovery } from "./recovery.ts";
import { UNIT } from "./size-classes.ts";
import { StoreLock } from "./store-lock.ts";
import { Count, Flag, Header, HOSTS, hostOf, RECORD_BYTES, StoreMemory, WORD, Word } from "./store-memory.ts";

/** An entry that is held: its record, and the place by which it is let go. */
export interface Hold {
  readonly record: number;
  readonly place: number;
}

const HASH_WORDS = 4;
/** Of a page. */
const SHORT_SHARE = 1 / 4;

/** All that is done to a store's structure, each under its one lock and short. */
export class EntryTable {
  readonly memory: StoreMemory;
  readonly bells: DoorBells;
  readonly views: KeptViews;
  /** Of the entry that was found last. */
  foundPlace = 0;
  readonly #words: Int32Array;
  readonly #lock: StoreLock;
  readonly #index: KeyIndex;
  readonly #queues: EntryQueues;
  readonly #hosts: HostShares;
  readonly #chunks: EntryChunks;
  readonly #pins: Pins;
  readonly #recovery: Recovery;
  /** What has to be done once the lock can be had. */
  readonly #later: (() => void)[] = [];

  constructor(buffer: SharedArrayBuffer, row: number, thread: number) {
    const memory = new StoreMemory(buffer);
    this.memory = memory;
    this.views = new KeptViews(memory.bytes);
    this.#words = memory.words;
    this.#lock = new StoreLock(memory.words, Header.Lock, row);
    this.#index = new KeyIndex(memory);
    this.#queues = new EntryQueues(memory, new GhostTable(memory));
    this.#hosts = new HostShares(memory);
    this.#chunks = new EntryChunks(memory, this.#index, this.#queues, this.#hosts);
    this.bells = new DoorBells(memory, row);
    const { pages } = this.#chunks;
    const hosts = this.#hosts;
    this.#recovery = new Recovery({ memory, pages, index: this.#index, queues: this.#queues, hosts });
    if (!takeRow(memory, row, thread)) this.forgetRow(row, thread);
    this.#pins = new Pins(memory, row);
    this.bells.onRing = () => this.#catchUp();
  }

  /** @returns the record, held at `foundPlace`; -1: there is none */
  find(key: CacheKey): number {
    if (!this.#enter()) return -1;
    const record = this.#index.find(key.hash);
    const place = record === -1 ? -1 : this.#pins.hold(record, false);
    if (place === -1) this.memory.counts[Count.misses]!++;
    else {
      this.memory.counts[Count.hits]!++;
      this.#queues.use(this.memory.wordOf(record));
      this.foundPlace = place;
    }
    this.#lock.leave();
    return place === -1 ? -1 : record;
  }

  /** One that was found was another's with the same hash. */
  mistaken(): void {
    if (!this.#enter()) return;
    this.memory.counts[Count.hits]!--;
    this.memory.counts[Count.misses]!++;
    this.#lock.leave();
  }

  /** One hold more of what is held already. @returns the place, -1 when there is none */
  hold(record: number): number {
    if (!this.#enter()) return -1;
    const place = this.#pins.hold(record, false);
    this.#lock.leave();
    return place;
  }

  release(hold: Hold): void {
    if (this.#enter()) {
      this.#letGo(hold);
      this.#lock.leave();
    } else this.#postpone(() => this.#letGo(hold));
  }

  /**
   * It can be found from now on if there is nothing else; but not what is long, for which its writer takes the room first.
   * @returns the record, -1 when it isn't taken; its writer holds it at `foundPlace`
   */
  begin(key: CacheKey, meta: Buffer, length: number): number {
    if (!this.#enter()) return -1;
    const record = this.#create(key, meta, length);
    if (record === -1) this.memory.counts[Count.refused]!++;
    this.#lock.leave();
    return record;
  }

  /** It can be found from now on, if it can't already, unless there is something else, whose place it takes when it is finished. */
  publish(record: number): void {
    const at = this.memory.wordOf(record);
    if ((this.#words[at + Word.Flags]! & (Flag.Linked | Flag.Removed)) !== 0 || !this.#enter()) return;
    const isRemoved = (this.#words[at + Word.Flags]! & Flag.Removed) !== 0;
    if (!isRemoved && this.#index.find(this.#hashAt(at)) === -1) this.#link(record);
    this.#lock.leave();
  }

  /** Its writer has found no room for it, though others may have found it already. */
  refuse(hold: Hold): void {
    this.#soon(() => this.#fail(hold, Count.refused));
  }

  /** @returns a chunk for so many bytes or less, -1 when there is no room */
  grow(record: number, bytes: number): number {
    if (!this.#enter()) return -1;
    const chunk = this.#chunks.grow(record, bytes);
    this.#lock.leave();
    return chunk;
  }

  /** @param isLoose whether the last chunk is larger than need be */
  finish(hold: Hold, isLoose: boolean): void {
    this.#soon(() => this.#finish(hold, isLoose));
  }

  fail(hold: Hold): void {
    this.#soon(() => this.#fail(hold, Count.failures));
  }

  update(record: number, meta: Buffer): void {
    if (!this.#enter()) return;
    const at = this.memory.wordOf(record);
    const isLinked = (this.#words[at + Word.Flags]! & Flag.Linked) !== 0;
    if (isLinked && this.#words[at + Word.State] === EntryState.Complete) this.#update(record, meta);
    this.#lock.leave();
  }

  remove(key: CacheKey): boolean {
    if (!this.#enter()) return false;
    const record = this.#index.find(key.hash);
    if (record !== -1) this.#chunks.drop(record);
    this.#lock.leave();
    return record !== -1;
  }

  clear(): void {
    this.#soon(() => this.#recovery.rebuild(-1));
  }

  /**
   * Lets go of all that a thread held that isn't any more. What it was writing has failed.
   * @param heir the thread that has the row from now on, -1: none
   */
  forgetRow(row: number, heir: number): void {
    if (this.#lock.takeFrom(row)) {
      this.#recovery.rebuild(row);
      takeRow(this.memory, row, heir);
      this.#lock.leave();
    } else this.#soon(() => this.#letGoOfRow(row, heir));
    this.bells.tellAll();
  }

  /** Units of a chunk; without the lock, for one that is held. */
  bytesOf(chunk: number): number {
    return this.#chunks.pages.unitsOf(chunk) * UNIT;
  }

  #enter(): boolean {
    if (!this.#lock.enter()) return false;
    if (this.#later.length > 0) for (const task of this.#later.splice(0)) task();
    return true;
  }

  /** At once, or when the lock can be had. */
  #soon(task: () => void): void {
    if (this.#enter()) {
      task();
      this.#lock.leave();
    } else this.#postpone(task);
  }

  #postpone(task: () => void): void {
    this.#later.push(task);
    this.bells.watch();
  }

  #catchUp(): void {
    if (this.#later.length === 0) return;
    if (this.#enter()) this.#lock.leave();
    else this.bells.watch();
  }

  #create(key: CacheKey, meta: Buffer, length: number): number {
    const textBytes = keyBytes(key.text);
    const least = RECORD_BYTES + textBytes + meta.length;
    if (least + length > this.memory.mostEntry || least > this.memory.pageUnits * UNIT) return -1;
    const isShort = this.#isShort(least + length);
    const bytes = isShort ? least + length : least;
    const record = this.#chunks.create(bytes, least, this.#hosts.slotOf(key.text));
    if (record === -1) return -1;
    this.foundPlace = this.#pins.hold(record, true);
    const words = this.#words;
    const at = this.memory.wordOf(record);
    if (this.foundPlace === -1) {
      this.#chunks.settle(record);
      return -1;
    }
    for (let i = 0; i < HASH_WORDS; i++) words[at + Word.Hash + i] = key.hash[i]!;
    if (isWide(key.text)) words[at + Word.Flags]! |= Flag.Wide;
    words[at + Word.KeyBytes] = textBytes;
    words[at + Word.MetaBytes] = meta.length;
    words[at + Word.Inline] = this.bytesOf(record) - least;
    const textAt = at * WORD + RECORD_BYTES;
    writeKey(this.memory.bytes, textAt, key.text);
    meta.copy(this.memory.bytes, textAt + textBytes);
    if ((isShort || length === 0) && this.#index.find(key.hash) === -1) this.#link(record);
    return record;
  }

  /** Whether all of it goes into one chunk. Of others the first has little but the meta, for that may be replaced by longer one. */
  #isShort(bytes: number): boolean {
    return bytes <= this.memory.pageUnits * UNIT * SHORT_SHARE;
  }

  #hashAt(recordAt: number): Int32Array {
    return this.#words.subarray(recordAt + Word.Hash, recordAt + Word.Hash + HASH_WORDS);
  }

  #link(record: number): void {
    this.#chunks.link(record);
    this.#queues.admit(record);
  }

  #finish(hold: Hold, isLoose: boolean): void {
    const words = this.#words;
    const at = this.memory.wordOf(hold.record);
    Atomics.store(words, at + Word.State, EntryState.Complete);
    this.bells.tell(at);
    if (isLoose) words[at + Word.Flags]! |= Flag.Loose;
    if ((words[at + Word.Flags]! & (Flag.Linked | Flag.Removed)) === 0) this.#replace(hold.record);
    this.#letGo(hold);
  }

  /** It is as much in demand as the one before. */
  #replace(record: number): void {
    const before = this.#index.find(this.#hashAt(this.memory.wordOf(record)));
    if (before === -1) {
      this.#link(record);
      return;
    }
    this.#queues.admitLike(record, before);
    this.#chunks.drop(before);
    this.#chunks.link(record);
  }

  #fail(hold: Hold, counted: typeof Count.refused | typeof Count.failures): void {
    const at = this.memory.wordOf(hold.record);
    this.memory.counts[counted]!++;
    Atomics.store(this.#words, at + Word.State, EntryState.Failed);
    this.bells.tell(at);
    this.#chunks.drop(hold.record);
    this.#letGo(hold);
  }

  #letGo({ record, place }: Hold): void {
    if (this.#pins.letGo(record, place) === 0) this.#chunks.settle(record);
  }

  #letGoOfRow(row: number, heir: number): void {
    this.#recovery.letGoOf(row, (held) => this.#letGoOfDead(held));
    takeRow(this.memory, row, heir);
  }

  #letGoOfDead(held: number): void {
    const record = Math.abs(held) - 1;
    const at = this.memory.wordOf(record);
    if (held < 0) {
      Atomics.store(this.#words, at + Word.State, EntryState.Failed);
      this.#chunks.drop(record);
    }
    if (--this.#words[at + Word.Pins]! === 0) this.#chunks.settle(record);
  }

  /** Another record takes the place of this one, with its body; who holds this one has it as it was. */
  #update(record: number, meta: Buffer): void {
    const words = this.#words;
    const at = this.memory.wordOf(record);
    const textBytes = words[at + Word.KeyBytes]!;
    const inline = Math.min(words[at + Word.Inline]!, words[at + Word.Length]!);
    const bytes = RECORD_BYTES + textBytes + meta.length + inline;
    if (bytes > this.memory.pageUnits * UNIT) return;
    const next = this.#chunks.create(bytes, bytes, hostOf(words[at + Word.Flags]!));
    if (next === -1) return;
    const nextAt = this.memory.wordOf(next);
    for (let word = Word.Hash; word < Word.Hash + HASH_WORDS; word++)
      words[nextAt + word] = words[at + word]!;
    words[nextAt + Word.Flags] = words[at + Word.Flags]! & (Flag.Wide | Flag.Loose | HOSTS);
    words[nextAt + Word.KeyBytes] = textBytes;
    words[nextAt + Word.MetaBytes] = meta.length;
    words[nextAt + Word.Inline] = inline;
    words[nextAt + Word.Length] = words[at + Word.Length]!;
    words[nextAt + Word.State] = EntryState.Complete;
    this.#copyText(at, nextAt, meta);
    this.#exchange(record, next);
  }

  #copyText(at: number, nextAt: number, meta: Buffer): void {
    const { bytes, words } = this.memory;
    const from = at * WORD + RECORD_BYTES;
    const to = nextAt * WORD + RECORD_BYTES;
    const textBytes = words[at + Word.KeyBytes]!;
    const inline = words[nextAt + Word.Inline]!;
    const bodyAt = from + textBytes + words[at + Word.MetaBytes]!;
    bytes.copyWithin(to, from, from + textBytes);
    meta.copy(bytes, to + textBytes);
    bytes.copyWithin(to + textBytes + meta.length, bodyAt, bodyAt + inline);
  }

  #exchange(record: number, next: number): void {
    const flags = this.memory.wordOf(record) + Word.Flags;
    this.#queues.admitLike(next, record);
    this.#queues.remove(record);
    this.#index.remove(record);
    this.#words[flags] = (this.#words[flags]! & ~Flag.Linked) | Flag.Removed;
    this.#words[Header.Entries]!--;
    this.#chunks.link(next);
    this.#chunks.bequeath(record, next);
  }
}
