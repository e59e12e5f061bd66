/*
 * What all threads know of a group of servers, in memory that they share. Whole numbers are changed by atomic operations;
 * numbers with fractions are written whole, and whoever reads them sees the value of a moment ago.
 *
 *     words    | header: 16 | slot 0: 16 | slot 1: 16 | …                 (a cache line each)
 *     numbers  | slot 0: 8 | slot 1: 8 | …
 *     rows     | thread 0: slot 0: 16, slot 1: 16 … | thread 1: … | …     (each written by its own thread only)
 *
 * A server has the same slot in all threads for as long as it belongs to the group, and until the last request to it
 * is over.
 */

/** What keeps a server from being chosen: a sum of these, 0 for none. */
export const Out = {
  /** By order: nothing goes there. */
  Disabled: 1,
  /** By order: nothing new goes there, but clients that belong to it do. */
  Draining: 2,
  /** Its health checks fail. */
  Unhealthy: 4,
  /** It failed too many requests. */
  Ejected: 8,
} as const;

/** Counts of the whole group. */
export const GroupWord = {
  /** Changes whenever anything does that choosing depends on. */
  Version: 0,
  /** Turns taken so far. */
  Turn: 1,
  Requests: 2,
  Connections: 3,
  Pending: 4,
  Retries: 5,
  Ejected: 6,
} as const;

export type GroupWord = (typeof GroupWord)[keyof typeof GroupWord];

/** What stands in a server's slot. */
export const ServerWord = {
  /** A sum of `Out`. */
  Out: 0,
  /** Hundredths of its weight, as it is now. */
  Share: 1,
  Requests: 2,
  Connections: 3,
  /** Requests that failed one after the other. */
  Failures: 4,
  /** Times that it was ejected one after the other. */
  Ejections: 5,
  /** Requests within the window of its failure ratio, and those of them that failed. */
  WindowRequests: 6,
  WindowFailures: 7,
} as const;

export type ServerWord = (typeof ServerWord)[keyof typeof ServerWord];

/** Numbers with fractions of a server. Times are those of `monotonicNow()`. */
export const ServerNumber = {
  Latency: 0,
  LatencyAt: 1,
  EjectedUntil: 2,
  WindowStart: 3,
} as const;

export type ServerNumber = (typeof ServerNumber)[keyof typeof ServerNumber];

/** What one thread counts of a server. */
export const ServerCount = {
  requests: 0,
  responses2xx: 1,
  responses3xx: 2,
  responses4xx: 3,
  responses5xx: 4,
  connectFailures: 5,
  /** Resets, timeouts, malformed responses. */
  failures: 6,
  retries: 7,
  ejections: 8,
  /** What this thread has of `ServerWord.Requests` and `Connections`: to be taken back when it dies. */
  ownRequests: 9,
  ownConnections: 10,
} as const;

export type ServerCountName = keyof typeof ServerCount;
export type ServerCount = (typeof ServerCount)[ServerCountName];

const HEADER_WORDS = 16;
const SLOT_WORDS = 16;
const SLOT_NUMBERS = 8;
const ROW_SLOT = 16;
const WORD = Int32Array.BYTES_PER_ELEMENT;
const NUMBER = Float64Array.BYTES_PER_ELEMENT;

/** Memory for `slots` servers and `threads` threads that send requests; the main thread needs no row. */
export function allocateGroupMemory(slots: number, threads: number): SharedArrayBuffer {
  const words = (HEADER_WORDS + slots * SLOT_WORDS) * WORD;
  return new SharedArrayBuffer(words + (slots * SLOT_NUMBERS + Math.max(threads, 1) * slots * ROW_SLOT) * NUMBER);
}

/** A group's memory as one thread sees it. */
export class GroupMemory {
  readonly slots: number;
  readonly #threads: number;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #rows: Float64Array;
  /** Where this thread's row begins. */
  readonly #row: number;

  /** @param thread whose row `count` writes */
  constructor(buffer: SharedArrayBuffer, slots: number, threads: number, thread: number) {
    this.slots = slots;
    this.#threads = Math.max(threads, 1);
    this.#words = new Int32Array(buffer, 0, HEADER_WORDS + slots * SLOT_WORDS);
    const numbersAt = this.#words.byteLength;
    this.#numbers = new Float64Array(buffer, numbersAt, slots * SLOT_NUMBERS);
    const rowsAt = numbersAt + this.#numbers.byteLength;
    this.#rows = new Float64Array(buffer, rowsAt, this.#threads * slots * ROW_SLOT);
    this.#row = Math.min(thread, this.#threads - 1) * slots * ROW_SLOT;
  }

  /** Memory of its own, for a group in a single thread. */
  static local(slots: number): GroupMemory {
    return new GroupMemory(allocateGroupMemory(slots, 1), slots, 1, 0);
  }

  // ── the group ──────────────────────────────────────────────────────────────────────────────────────────────────

  get(word: GroupWord): number {
    return Atomics.load(this.#words, word);
  }

  /** @returns what it was before */
  add(word: GroupWord, by: number): number {
    return Atomics.add(this.#words, word, by);
  }

  /** Adds 1 if that makes it no more than `most`. */
  addUpTo(word: GroupWord, most: number): boolean {
    return this.#addUpTo(word, most);
  }

  /** Something has changed that choosing depends on: every thread looks anew before its next choice. */
  touch(): void {
    Atomics.add(this.#words, GroupWord.Version, 1);
  }

  // ── a server ───────────────────────────────────────────────────────────────────────────────────────────────────

  of(slot: number, word: ServerWord): number {
    return Atomics.load(this.#words, HEADER_WORDS + slot * SLOT_WORDS + word);
  }

  set(slot: number, word: ServerWord, value: number): void {
    Atomics.store(this.#words, HEADER_WORDS + slot * SLOT_WORDS + word, value);
  }

  /** @returns what it was before */
  addTo(slot: number, word: ServerWord, by: number): number {
    return Atomics.add(this.#words, HEADER_WORDS + slot * SLOT_WORDS + word, by);
  }

  /** Adds 1 if that makes it no more than `most`. */
  addToUpTo(slot: number, word: ServerWord, most: number): boolean {
    return this.#addUpTo(HEADER_WORDS + slot * SLOT_WORDS + word, most);
  }

  /** @returns whether `reason` is new: nobody else has just given it */
  takeOut(slot: number, reason: number): boolean {
    const before = Atomics.or(this.#words, HEADER_WORDS + slot * SLOT_WORDS + ServerWord.Out, reason);
    if ((before & reason) !== 0) return false;
    this.touch();
    return true;
  }

  /** @returns whether `reason` stood until now */
  bringBack(slot: number, reason: number): boolean {
    const before = Atomics.and(this.#words, HEADER_WORDS + slot * SLOT_WORDS + ServerWord.Out, ~reason);
    if ((before & reason) === 0) return false;
    this.touch();
    return true;
  }

  number(slot: number, what: ServerNumber): number {
    return this.#numbers[slot * SLOT_NUMBERS + what]!;
  }

  setNumber(slot: number, what: ServerNumber, value: number): void {
    this.#numbers[slot * SLOT_NUMBERS + what] = value;
  }

  /** A slot for another server: all that was known of the one before is forgotten. */
  clear(slot: number): void {
    for (let word = 0; word < SLOT_WORDS; word++)
      Atomics.store(this.#words, HEADER_WORDS + slot * SLOT_WORDS + word, 0);
    this.#numbers.fill(0, slot * SLOT_NUMBERS, (slot + 1) * SLOT_NUMBERS);
    for (let thread = 0; thread < this.#threads; thread++) {
      const at = (thread * this.slots + slot) * ROW_SLOT;
      this.#rows.fill(0, at, at + ROW_SLOT);
    }
  }

  // ── what this thread counts ────────────────────────────────────────────────────────────────────────────────────

  count(slot: number, what: ServerCount, by: number = 1): void {
    this.#rows[this.#row + slot * ROW_SLOT + what]! += by;
  }

  /** The sum over all threads. */
  total(slot: number, what: ServerCount): number {
    let sum = 0;
    for (let thread = 0; thread < this.#threads; thread++)
      sum += this.#rows[(thread * this.slots + slot) * ROW_SLOT + what]!;
    return sum;
  }

  /** A thread died: what it had under way is over. What it had waiting or repeated is not known, and forgotten with `pending`. */
  forgetThread(thread: number): void {
    for (let slot = 0; slot < this.slots; slot++) {
      const at = (thread * this.slots + slot) * ROW_SLOT;
      this.#takeBack(slot, ServerWord.Requests, GroupWord.Requests, at + ServerCount.ownRequests);
      this.#takeBack(slot, ServerWord.Connections, GroupWord.Connections, at + ServerCount.ownConnections);
    }
    this.touch();
  }

  #takeBack(slot: number, word: ServerWord, groupWord: GroupWord, own: number): void {
    const lost = this.#rows[own]!;
    this.#rows[own] = 0;
    this.addTo(slot, word, -lost);
    this.add(groupWord, -lost);
  }

  #addUpTo(at: number, most: number): boolean {
    for (;;) {
      const before = Atomics.load(this.#words, at);
      if (before >= most) return false;
      if (Atomics.compareExchange(this.#words, at, before, before + 1) === before) return true;
    }
  }
}
