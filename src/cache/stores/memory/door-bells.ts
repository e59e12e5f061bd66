import { type StoreMemory, UNIT_WORDS, Word } from "./store-memory.ts";

/** What waits for bytes of an entry. */
export interface Waiting {
  /** The first word of the entry's record. */
  readonly recordAt: number;
  /** What it waited for is there. It is called once more otherwise. */
  isDue(): boolean;
  ring(): void;
}

const BITS = 32;

/**
 * Tells threads that an entry has more bytes. A reader sets its thread's bit in the record; who writes takes all the bits and
 * rings these threads' bells, a word each that `Atomics.waitAsync` watches. Nobody polls, and an entry that nobody waits for
 * costs its writer one look.
 */
export class DoorBells {
  /** Called when the bell has rung, before those who wait are looked at. */
  onRing: (() => void) | null = null;
  readonly #memory: StoreMemory;
  readonly #words: Int32Array;
  readonly #row: number;
  #waiting: Waiting[] = [];
  #isWatched = false;
  #isClosed = false;

  constructor(memory: StoreMemory, row: number) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#row = row;
  }

  /** Something is new of the record whose words begin there. */
  tell(recordAt: number): void {
    if (Atomics.load(this.#words, recordAt + Word.Waiters) === 0) return;
    const waiters = Atomics.exchange(this.#words, recordAt + Word.Waiters, 0);
    for (let row = 0; row < this.#memory.rows; row++)
      if ((waiters & (1 << (row % BITS))) !== 0) this.#ring(row);
  }

  tellAll(): void {
    for (let row = 0; row < this.#memory.rows; row++) this.#ring(row);
  }

  wait(waiting: Waiting): void {
    this.#waiting.push(waiting);
    this.watch();
    Atomics.or(this.#words, waiting.recordAt + Word.Waiters, 1 << (this.#row % BITS));
    // It may have come before the bit was seen.
    if (waiting.isDue()) this.#ring(this.#row);
  }

  forget(waiting: Waiting): void {
    const place = this.#waiting.indexOf(waiting);
    if (place === -1) return;
    const last = this.#waiting.pop()!;
    if (last !== waiting) this.#waiting[place] = last;
  }

  /** Hears the bell from now on, until it has rung. */
  watch(): void {
    if (this.#isWatched || (this.#isClosed && this.#waiting.length === 0)) return;
    const bell = this.#bellOf(this.#row);
    for (;;) {
      const waited = Atomics.waitAsync(this.#words, bell, Atomics.load(this.#words, bell));
      // It rang between the two.
      if (!waited.async) continue;
      this.#isWatched = true;
      void waited.value.then(() => this.#onRing());
      return;
    }
  }

  /** Who waits by now is still told: an entry under way may come to its end long after its store has gone. */
  close(): void {
    this.#isClosed = true;
    this.#ring(this.#row);
  }

  #onRing(): void {
    this.#isWatched = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length > 0) this.watch();
    this.onRing?.();
    const due: Waiting[] = [];
    for (const one of waiting) {
      if (one.isDue()) due.push(one);
      else this.wait(one);
    }
    for (const one of due) one.ring();
  }

  #ring(row: number): void {
    const bell = this.#bellOf(row);
    Atomics.add(this.#words, bell, 1);
    Atomics.notify(this.#words, bell);
  }

  #bellOf(row: number): number {
    return this.#memory.at.bells + row * UNIT_WORDS;
  }
}
