/*
 * What all threads know of a group of servers, in memory that they share. Whole numbers are changed by atomic operations;
 * numbers with fractions are written whole, and whoever reads them sees the value of a moment ago.
 *
 *     words    | header: 16 | slot 0: 16 | slot 1: 16 | …                 (a cache line each)
 *     numbers  | slot 0: 8 | slot 1: 8 | …
 *     rows     | thread 0: own 16, slot 0: 16, slot 1: 16 … | thread 1: … | …     (each written by its own thread only)
 *
 * A server has the same slot in all threads for as long as it belongs to the group, and until the last request to it
 * is over.
 *
 * Words that all threads change cost more than a thread's own row, so those of what is under way are kept only where
 * something depends on them (`under-way.ts`); the rows always are.
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
  /** It doesn't belong to the group any more, or not yet. */
  Gone: 16,
} as const;

/** Counts of the whole group; a word's number is its place. */
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
  /** Servers that nobody ordered out, of which a share may be ejected; 0 where none is. */
  Servers: 7,
  /** Which words of what is under way are kept: a sum of `Kept`. */
  Kept: 8,
} as const;

export type GroupWord = (typeof GroupWord)[keyof typeof GroupWord];

/** The words of what is under way. */
export const Kept = { Requests: 1, Connections: 2, ServerRequests: 4, ServerConnections: 8 } as const;

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
  /** Requests that it had been judged by when the window of its failure ratio began, and those that failed since. */
  WindowBase: 6,
  WindowFailures: 7,
  /** Why it was ejected last: so many failures in a row, or, below 0, so many percent of failures. */
  Cause: 8,
} as const;

export type ServerWord = (typeof ServerWord)[keyof typeof ServerWord];

/** Numbers with fractions of a server. Times are those of `monotonicNow()`. */
export const ServerNumber = {
  Latency: 0,
  LatencyAt: 1,
  EjectedUntil: 2,
  WindowStart: 3,
  /** Since when it has been good after an ejection, or since one of those was forgiven. */
  GoodSince: 4,
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
} as const;

export type ServerCountName = keyof typeof ServerCount;
export type ServerCount = (typeof ServerCount)[ServerCountName];

/** What else a thread notes of a server. */
export const OwnCount = {
  /** Its part of `ServerWord.Requests` and `Connections`, each request being on one: to be taken back when it dies. */
  Requests: 9,
  /** Requests that said something about the server, good or bad. */
  Judged: 11,
  /** In how many lists of this thread the server is: those of the configuration before last as long as anybody uses them. */
  Holds: 12,
} as const;

export type OwnCount = (typeof OwnCount)[keyof typeof OwnCount];

/** What a thread notes of the whole group: its part of the words of the same names. */
export const OwnGroupCount = { Pending: 0, Retries: 1 } as const;

export type OwnGroupCount = (typeof OwnGroupCount)[keyof typeof OwnGroupCount];

/** What stays true of a server that others look after. Windows of failures begin anew: they go by counts that don't move. */
const INHERITED_WORDS: readonly ServerWord[] = [
  ServerWord.Out,
  ServerWord.Share,
  ServerWord.Failures,
  ServerWord.Ejections,
  ServerWord.Cause,
];
const INHERITED_NUMBERS: readonly ServerNumber[] = [
  ServerNumber.Latency,
  ServerNumber.LatencyAt,
  ServerNumber.EjectedUntil,
  ServerNumber.GoodSince,
];

const HEADER_WORDS = 16;
/** The header's last word: rows that anybody ever had, those beyond them being empty. */
const ROWS_AT = HEADER_WORDS - 1;
const SLOT_WORDS = 16;
const SLOT_NUMBERS = 8;
const ROW_SLOT = 16;
const WORD = Int32Array.BYTES_PER_ELEMENT;
const NUMBER = Float64Array.BYTES_PER_ELEMENT;

/** Numbers of a thread's row: its own, and those of each slot. */
function rowLength(slots: number): number {
  return (1 + slots) * ROW_SLOT;
}

/** Memory for `slots` servers and `threads` threads that send requests; the main thread needs no row. */
export function allocateGroupMemory(slots: number, threads: number): SharedArrayBuffer {
  const words = (HEADER_WORDS + slots * SLOT_WORDS) * WORD;
  const rows = Math.max(threads, 1) * rowLength(slots);
  return new SharedArrayBuffer(words + (slots * SLOT_NUMBERS + rows) * NUMBER);
}

/** Slots of memory that was allocated for so many threads. */
export function slotsIn(buffer: SharedArrayBuffer, threads: number): number {
  const rows = Math.max(threads, 1);
  const fixed = HEADER_WORDS * WORD + rows * ROW_SLOT * NUMBER;
  return (buffer.byteLength - fixed) / (SLOT_WORDS * WORD + (SLOT_NUMBERS + rows * ROW_SLOT) * NUMBER);
}

/** A group's memory as one thread sees it. */
export class GroupMemory {
  readonly buffer: SharedArrayBuffer;
  readonly slots: number;
  readonly #threads: number;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #rows: Float64Array;
  /** Where this thread's row begins. */
  readonly #row: number;

  /** @param thread whose row `count` writes */
  constructor(buffer: SharedArrayBuffer, slots: number, threads: number, thread: number) {
    this.buffer = buffer;
    this.slots = slots;
    this.#threads = Math.max(threads, 1);
    this.#words = new Int32Array(buffer, 0, HEADER_WORDS + slots * SLOT_WORDS);
    const numbersAt = this.#words.byteLength;
    this.#numbers = new Float64Array(buffer, numbersAt, slots * SLOT_NUMBERS);
    const rowsAt = numbersAt + this.#numbers.byteLength;
    this.#rows = new Float64Array(buffer, rowsAt, this.#threads * rowLength(slots));
    const row = Math.min(thread, this.#threads - 1);
    this.#row = row * rowLength(slots);
    this.#claimRow(row);
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

  put(word: GroupWord, value: number): void {
    Atomics.store(this.#words, word, value);
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

  /** Where a word stands, for those who change it often. */
  placeOf(slot: number, word: ServerWord): number {
    return HEADER_WORDS + slot * SLOT_WORDS + word;
  }

  /** @returns what it was before */
  addAt(place: number, by: number): number {
    return Atomics.add(this.#words, place, by);
  }

  at(place: number): number {
    return Atomics.load(this.#words, place);
  }

  /** Adds 1 if that makes it no more than `most`, exactly so over all threads. */
  addUpTo(place: number, most: number): boolean {
    for (;;) {
      const before = Atomics.load(this.#words, place);
      if (before >= most) return false;
      if (Atomics.compareExchange(this.#words, place, before, before + 1) === before) return true;
    }
  }

  /** @returns whether `reason` is new: nobody else has just given it */
  takeOut(slot: number, reason: number): boolean {
    const before = Atomics.or(this.#words, HEADER_WORDS + slot * SLOT_WORDS + ServerWord.Out, reason);
    if ((before & reason) !== 0) return false;
    this.touch();
    return true;
  }

  /** Takes it out as ejected. @returns false when it is so already, or gone: of all threads one at most gets true */
  eject(slot: number): boolean {
    const at = HEADER_WORDS + slot * SLOT_WORDS + ServerWord.Out;
    for (;;) {
      const before = Atomics.load(this.#words, at);
      if ((before & (Out.Ejected | Out.Gone)) !== 0) return false;
      if (Atomics.compareExchange(this.#words, at, before, before | Out.Ejected) === before) break;
    }
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
      const at = this.#rowOf(thread, slot);
      this.#rows.fill(0, at, at + ROW_SLOT);
    }
  }

  /**
   * Takes what `other` knows of the server in its slot `from` for the one in `slot`: why it is out, how it did, how often it
   * was ejected, and all counts but those of what is under way, which ends where it began. To be called by one thread alone, for
   * a slot that nobody counts in yet.
   */
  inherit(slot: number, other: GroupMemory, from: number): void {
    for (const word of INHERITED_WORDS) this.set(slot, word, other.of(from, word));
    for (const what of INHERITED_NUMBERS) this.setNumber(slot, what, other.number(from, what));
    const at = this.#rowOf(0, slot);
    for (const count of Object.values(ServerCount)) this.#rows[at + count] = other.total(from, count);
  }

  // ── what this thread counts ────────────────────────────────────────────────────────────────────────────────────

  count(slot: number, what: ServerCount | OwnCount, by: number = 1): void {
    this.#rows[this.#row + (1 + slot) * ROW_SLOT + what]! += by;
  }

  /** What this thread counts of the server in `slot`, by `ServerCount` and `OwnCount`: for whoever counts all the time. */
  ownRow(slot: number): Float64Array {
    const at = this.#row + (1 + slot) * ROW_SLOT;
    return this.#rows.subarray(at, at + ROW_SLOT);
  }

  /** Notes that a list of this thread has the server in `slot`, or has it no more. */
  hold(slot: number, holds: boolean): void {
    this.count(slot, OwnCount.Holds, holds ? 1 : -1);
  }

  /** The sum over all threads. */
  total(slot: number, what: ServerCount | OwnCount): number {
    let sum = 0;
    const rows = Atomics.load(this.#words, ROWS_AT);
    for (let thread = 0; thread < rows; thread++) sum += this.#rows[this.#rowOf(thread, slot) + what]!;
    return sum;
  }

  /** Requests to it that are under way, over all threads. */
  underWay(slot: number): number {
    return this.total(slot, OwnCount.Requests);
  }

  countGroup(what: OwnGroupCount, by: number): void {
    this.#rows[this.#row + what]! += by;
  }

  /** Takes back what a thread that died had under way, waiting or repeated. */
  forgetThread(thread: number): void {
    const kept = this.get(GroupWord.Kept);
    for (let slot = 0; slot < this.slots; slot++) {
      const requests = this.#lose(this.#rowOf(thread, slot) + OwnCount.Requests);
      this.#lose(this.#rowOf(thread, slot) + OwnCount.Holds);
      if ((kept & Kept.ServerRequests) !== 0) this.addTo(slot, ServerWord.Requests, -requests);
      if ((kept & Kept.ServerConnections) !== 0) this.addTo(slot, ServerWord.Connections, -requests);
      if ((kept & Kept.Requests) !== 0) this.add(GroupWord.Requests, -requests);
      if ((kept & Kept.Connections) !== 0) this.add(GroupWord.Connections, -requests);
    }
    const own = thread * rowLength(this.slots);
    this.add(GroupWord.Pending, -this.#lose(own + OwnGroupCount.Pending));
    this.add(GroupWord.Retries, -this.#lose(own + OwnGroupCount.Retries));
    this.touch();
  }

  /** @returns what stood there */
  #lose(at: number): number {
    const lost = this.#rows[at]!;
    this.#rows[at] = 0;
    return lost;
  }

  /** Memory has rows for more threads than mostly run: nobody has to look at those that were never used. */
  #claimRow(row: number): void {
    for (;;) {
      const before = Atomics.load(this.#words, ROWS_AT);
      if (before > row) return;
      if (Atomics.compareExchange(this.#words, ROWS_AT, before, row + 1) === before) return;
    }
  }

  #rowOf(thread: number, slot: number): number {
    return thread * rowLength(this.slots) + (1 + slot) * ROW_SLOT;
  }
}
