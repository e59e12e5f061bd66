import { type StoreMemory, UNIT_WORDS, Word } from "./store-memory.ts";

/**
 * Who holds what, by thread: what a thread held when it was ended can be let go of. Each of a thread's places has one entry, with
 * a minus where it writes it. Under the lock, but for the list of free places, which is the thread's own.
 */
export class Pins {
  readonly #memory: StoreMemory;
  readonly #words: Int32Array;
  readonly #start: number;
  readonly #inUse: number;
  readonly #free: number[] = [];

  constructor(memory: StoreMemory, row: number) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#start = memory.at.pins + row * memory.pinsPerRow;
    this.#inUse = memory.at.pinsInUse + row * UNIT_WORDS;
  }

  /** @returns the place, -1 when all are taken */
  hold(record: number, isWriter: boolean): number {
    const words = this.#words;
    const place = this.#free.pop() ?? this.#nextPlace();
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

  #nextPlace(): number {
    const used = this.#words[this.#inUse]!;
    if (used === this.#memory.pinsPerRow) return -1;
    this.#words[this.#inUse] = used + 1;
    return used;
  }
}

/** What each of a row's places holds: a record + 1, a minus before it where it is written, or 0. */
export function heldBy(memory: StoreMemory, row: number): Int32Array {
  const start = memory.at.pins + row * memory.pinsPerRow;
  return memory.words.subarray(start, start + memory.words[memory.at.pinsInUse + row * UNIT_WORDS]!);
}

/** The row has no holder any more. */
export function clearRow(memory: StoreMemory, row: number): void {
  heldBy(memory, row).fill(0);
  memory.words[memory.at.pinsInUse + row * UNIT_WORDS] = 0;
}
