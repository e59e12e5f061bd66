import { SpaceSaving } from "./space-saving.ts";
import {
  HISTOGRAM_WORD,
  NAME_BYTES,
  NAME_HEAD,
  NUMBER_STRIDE,
  nameAt,
  SlotWord,
  TOP_BUCKETS,
  TOP_NUMBERS,
  TopCount,
  type TopMemory,
  WORD_STRIDE,
} from "./top-memory.ts";
import type { RequestEnd } from "./traffic-row.ts";

/** Where a slot's number ends in a mark, and how many versions are told apart. */
const SLOT_BITS = 12;
const SLOT_MASK: number = 2 ** SLOT_BITS - 1;
const VERSION_MASK = 0x3ffff;

/** The most slots that a list may have. */
export const MOST_TOP: number = 2 ** SLOT_BITS;

/** What hashes are made with. */
const LOW_FACTOR = 0x9e3779b1;
const HIGH_FACTOR = 0x85ebca6b;

/** What stands before an encoding's query, and ends what is a path. */
const QUESTION_MARK = 0x3f;

/**
 * The keys that this thread has met most often, and what is known of them. However many there are and whoever makes them up,
 * it takes the same memory; its hash has a seed, so that nobody can choose keys that fall together.
 */
export class TopList {
  readonly #memory: TopMemory;
  readonly #numbers: Float64Array;
  readonly #numbersAt: number;
  readonly #words: Int32Array;
  readonly #wordsAt: number;
  readonly #saving: SpaceSaving;
  readonly #seed: number;

  /** @param seed the same for nobody else, 32 bits */
  constructor(memory: TopMemory, seed: number) {
    this.#memory = memory;
    this.#numbers = memory.numbers;
    this.#numbersAt = memory.numbersAt;
    this.#words = memory.words;
    this.#wordsAt = memory.wordsAt;
    this.#saving = new SpaceSaving(memory);
    this.#seed = seed | 0;
  }

  /** Counts a text, which becomes no bytes where it is known. @returns its mark, for `note` */
  enterText(text: string): number {
    const length = Math.min(text.length, NAME_BYTES);
    let low = this.#seed;
    let high = ~low;
    for (let i = 0; i < length; i++) {
      low = Math.imul(low ^ text.charCodeAt(i), LOW_FACTOR);
      high = Math.imul(high ^ text.charCodeAt(i) ^ (low >>> 15), HIGH_FACTOR);
    }
    const slot = this.#enter(low, high);
    if (this.#saving.isFresh) this.#name(slot, Buffer.from(text, "latin1"), 0, text.length);
    return this.#markOf(slot);
  }

  /** Counts a path: bytes up to a query. @returns its mark, for `note` */
  enterPath(bytes: Uint8Array, start: number, end: number): number {
    const most = Math.min(end, start + NAME_BYTES);
    let low = this.#seed;
    let high = ~low;
    let stop = start;
    for (; stop < most; stop++) {
      const byte = bytes[stop]!;
      if (byte === QUESTION_MARK) break;
      low = Math.imul(low ^ byte, LOW_FACTOR);
      high = Math.imul(high ^ byte ^ (low >>> 15), HIGH_FACTOR);
    }
    const slot = this.#enter(low, high);
    if (!this.#saving.isFresh) return this.#markOf(slot);
    // One that is as long as a name may be and is followed by its query wasn't cut.
    const isCut = stop < end && bytes[stop] !== QUESTION_MARK;
    this.#name(slot, bytes, start, isCut ? stop + 1 : stop);
    return this.#markOf(slot);
  }

  /** Counts again what was counted with this mark; false when the key was pushed out meanwhile. */
  enterAgain(mark: number): boolean {
    const slot = mark & SLOT_MASK;
    if (this.#markOf(slot) !== mark) return false;
    this.#saving.again(slot);
    return true;
  }

  /**
   * Notes what became of what was counted; nothing when the key was pushed out meanwhile.
   * @param milliseconds how long it took; below 0: not known
   * @param microseconds the same as `toMicroseconds` makes of them
   */
  note(mark: number, end: RequestEnd, milliseconds: number, microseconds: number): void {
    const slot = mark & SLOT_MASK;
    if (this.#markOf(slot) !== mark) return;
    const numbers = this.#numbers;
    const at = this.#numbersOf(slot);
    const { status } = end;
    if (end.bytesIn !== 0) numbers[at + TopCount.bytesIn]! += end.bytesIn;
    numbers[at + TopCount.bytesOut]! += end.bytesOut;
    if (status !== 0) numbers[at + TopCount.responses1xx + classOf(status)]! += 1;
    if (end.failed) numbers[at + TopCount.failed]! += 1;
    if (milliseconds < 0) return;
    numbers[at + TopCount.latencySum]! += milliseconds;
    const maxAt = at + TopCount.latencyMax;
    if (milliseconds > numbers[maxAt]!) numbers[maxAt] = milliseconds;
    this.#words[this.#wordsOf(slot) + HISTOGRAM_WORD + TOP_BUCKETS.indexOf(microseconds)]! += 1;
  }

  /** Notes something else of what was counted; nothing when the key was pushed out meanwhile. */
  add(mark: number, count: TopCount, by: number): void {
    const slot = mark & SLOT_MASK;
    if (this.#markOf(slot) === mark) this.#numbers[this.#numbersOf(slot) + count]! += by;
  }

  #numbersOf(slot: number): number {
    return this.#numbersAt + slot * NUMBER_STRIDE;
  }

  #wordsOf(slot: number): number {
    return this.#wordsAt + slot * WORD_STRIDE;
  }

  #enter(low: number, high: number): number {
    return this.#saving.enter(low ^ (low >>> 15), high);
  }

  #markOf(slot: number): number {
    return ((this.#words[this.#wordsOf(slot) + SlotWord.version]! & VERSION_MASK) << SLOT_BITS) | slot;
  }

  /** Another key moves in. */
  #name(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const words = this.#words;
    const wordsAt = this.#wordsOf(slot);
    Atomics.add(words, wordsAt + SlotWord.version, 1);
    const names = this.#memory.bytes;
    const at = nameAt(this.#memory, slot);
    const length = Math.min(end - start, NAME_BYTES);
    names[at] = length & 0xff;
    names[at + 1] = length >> 8;
    names[at + 2] = end - start > length ? 1 : 0;
    for (let i = 0; i < length; i++) names[at + NAME_HEAD + i] = bytes[start + i]!;
    const numbersAt = this.#numbersOf(slot);
    this.#numbers.fill(0, numbersAt + TopCount.bytesIn, numbersAt + TOP_NUMBERS);
    words.fill(0, wordsAt + HISTOGRAM_WORD, wordsAt + HISTOGRAM_WORD + TOP_BUCKETS.count);
    Atomics.add(words, wordsAt + SlotWord.version, 1);
    Atomics.store(words, this.#memory.usedAt, this.#saving.used);
  }
}

/** Statuses that are none of the five classes are the last one's. */
function classOf(status: number): number {
  if (status < 200) return 0;
  return status < 500 ? Math.trunc(status / 100) - 1 : 4;
}
