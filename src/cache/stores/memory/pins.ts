import { type StoreMemory, UNIT_WORDS, Word } from "./store-memory.ts";

/** Of a row: places that were ever used, and the thread that it belongs to (+ 1). */
const RowWord = { InUse: 0, Thread: 1 } as const;

/**
 * Who holds what, by thread: what a thread held when it was ended can be let go of. Each of a thread's places has one entry, with
 * a minus where it writes it. Under the lock.
 */
export class Pins {
  readonly #memory: StoreMemory;
  readonly #words: Int32Array;
  readonly #start: number;
  readonly #row: number;
  /** Places that were free when they were let go; others of this thread may have taken them. */
  readonly #free: number[] = [];

  constructor(memory: StoreMemory, row: number) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#start = memory.at.pins + row * memory.pinsPerRow;
    this.#row = rowAt(memory, row);
  }

  /** @returns the place, -1 when all are taken */
  hold(record: number, isWriter: boolean): number {
    const words = this.#words;
    const place = this.#place();
    if (place === -1) return -1;
    words[this.#memory.wordOf(record) + Word.Pins]!++;
    words[this.#start + place] = isWriter ? -record - 1 : record + 1;
    return place;
  }

  /** @returns how many hold the record still */
  letGo(record: number, place: number): number {
    this.#words[this.#start + place] = 0;
    this.#free.push(place);
    return --this.#words[this.#memory.wordOf(record) + Word.Pins]!;
  }

  #place(): number {
    const words = this.#words;
    for (let free = this.#free.pop(); free !== undefined; free = this.#free.pop())
      if (words[this.#start + free] === 0) return free;
    const used = words[this.#row + RowWord.InUse]!;
    if (used === this.#memory.pinsPerRow) return this.#lostPlace();
    words[this.#row + RowWord.InUse] = used + 1;
    return used;
  }

  /** A store that the thread has had before may have left free ones. */
  #lostPlace(): number {
    for (let place = this.#memory.pinsPerRow - 1; place >= 0; place--)
      if (this.#words[this.#start + place] === 0) this.#free.push(place);
    return this.#free.pop() ?? -1;
  }
}

function rowAt(memory: StoreMemory, row: number): number {
  return memory.at.pinsInUse + row * UNIT_WORDS;
}

/** What each of a row's places holds: a record + 1, a minus before it where it is written, or 0. */
export function heldBy(memory: StoreMemory, row: number): Int32Array {
  const start = memory.at.pins + row * memory.pinsPerRow;
  return memory.words.subarray(start, start + memory.words[rowAt(memory, row) + RowWord.InUse]!);
}

/** The row has no holder any more. */
export function clearRow(memory: StoreMemory, row: number): void {
  heldBy(memory, row).fill(0);
  memory.words.fill(0, rowAt(memory, row), rowAt(memory, row) + UNIT_WORDS);
}

/** @returns whether the row was the thread's already */
export function takeRow(memory: StoreMemory, row: number, thread: number): boolean {
  return Atomics.exchange(memory.words, rowAt(memory, row) + RowWord.Thread, thread + 1) === thread + 1;
}
