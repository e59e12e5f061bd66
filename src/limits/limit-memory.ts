import { randomFillSync } from "node:crypto";
import { KeyTable, setsFor, slotsOf, tableWords } from "./key-table.ts";
import { COUNTS_PER_THREAD } from "./limit-counts.ts";

/*
 * All that threads know of a limit, in one buffer of a size that is settled beforehand:
 *
 *     | header | counts: thread 0, thread 1, … | key table | last uses | state of each slot |
 */

const WORD = Int32Array.BYTES_PER_ELEMENT;
const NUMBER = Float64Array.BYTES_PER_ELEMENT;
const HALF = Uint16Array.BYTES_PER_ELEMENT;

const HEADER_WORDS = 16;
const THREADS = 0;
const SETS = 1;
const HASH_KEY = 2;

/** What a limiter notes of each key. */
export interface StateShape {
  /** 64-bit floats. */
  readonly numbers: number;
  /** 32-bit integers. */
  readonly words: number;
  /** 16-bit unsigned integers. */
  readonly halves: number;
}

/** Memory that tells `mostKeys` apart. What is in it is worth nothing without the shape that it was made for. */
export function allocateLimit(mostKeys: number, shape: StateShape, threads: number): SharedArrayBuffer {
  const sets = setsFor(mostKeys);
  const slots = slotsOf(sets);
  const words = HEADER_WORDS + tableWords(sets) + slots * shape.words;
  const numbers = Math.max(threads, 1) * COUNTS_PER_THREAD + slots * (1 + shape.numbers);
  const buffer = new SharedArrayBuffer(words * WORD + numbers * NUMBER + slots * shape.halves * HALF);
  const header = new Int32Array(buffer, 0, HEADER_WORDS);
  // Not into the shared memory itself: that isn't allowed.
  header.set(randomFillSync(new Int32Array(2)), HASH_KEY);
  header[THREADS] = Math.max(threads, 1);
  header[SETS] = sets;
  return buffer;
}

/** How many threads a limit's memory was made for. */
export function threadsOf(buffer: SharedArrayBuffer): number {
  return new Int32Array(buffer, 0, HEADER_WORDS)[THREADS]!;
}

/** The counts of a limit, by thread. */
export function countsOf(buffer: SharedArrayBuffer): Float64Array {
  return new Float64Array(buffer, HEADER_WORDS * WORD, threadsOf(buffer) * COUNTS_PER_THREAD);
}

/** A limit's memory as one thread sees it. */
export class LimitMemory {
  readonly threads: number;
  readonly thread: number;
  readonly table: KeyTable;
  /** `shape.numbers` for each slot. */
  readonly numbers: Float64Array;
  /** `shape.words` for each slot. */
  readonly words: Int32Array;
  /** `shape.halves` for each slot. */
  readonly halves: Uint16Array;

  /** @param thread of the data plane, from 0; whoever only looks on takes a number beyond */
  constructor(buffer: SharedArrayBuffer, shape: StateShape, thread: number) {
    const header = new Int32Array(buffer, 0, HEADER_WORDS);
    const sets = header[SETS]!;
    const slots = slotsOf(sets);
    this.threads = header[THREADS]!;
    this.thread = thread;
    const counts = countsOf(buffer);
    const words = new Int32Array(buffer, counts.byteOffset + counts.byteLength, tableWords(sets));
    const lastUses = new Float64Array(buffer, words.byteOffset + words.byteLength, slots);
    const numbersAt = lastUses.byteOffset + lastUses.byteLength;
    this.numbers = new Float64Array(buffer, numbersAt, slots * shape.numbers);
    const wordsAt = numbersAt + this.numbers.byteLength;
    this.words = new Int32Array(buffer, wordsAt, slots * shape.words);
    this.halves = new Uint16Array(buffer, wordsAt + this.words.byteLength, slots * shape.halves);
    const hashKey = [header[HASH_KEY]!, header[HASH_KEY + 1]!] as const;
    this.table = new KeyTable({ words, lastUses, hashKey }, thread);
  }
}
