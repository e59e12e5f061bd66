import { KeyedHash } from "../base/shared/keyed-hash.ts";
import { SetLock } from "../base/shared/set-lock.ts";

/*
 * Where the state of each key stands, in memory that threads share. A key is known by the 64 bits of its hash and may stand
 * in one set only, so that finding it and making room for it cost the same however many there are:
 *
 *     words     | set 0: lock … | 16 × half of a hash | 16 × the other half | set 1 …      (cache lines of their own)
 *     last uses | set 0: 16 | set 1: 16 | …
 */

const WAYS = 16;
/** A cache line: threads at work in sets beside one another don't hold one another up. */
const LINE_WORDS = 16;
const HIGH = LINE_WORDS;
const LOW = HIGH + WAYS;
const SET_WORDS = LOW + WAYS;

/** Keys fall into sets by chance: with half as many slots again, one in a hundred goes before the table is full. */
const SPARE = 1.5;

/** Sets that tell so many keys apart. */
export function setsFor(mostKeys: number): number {
  return mostKeys <= WAYS ? 1 : Math.ceil((mostKeys * SPARE) / WAYS);
}

/** Slots of a table. */
export function slotsOf(sets: number): number {
  return sets * WAYS;
}

/** Words that a table takes, besides a last use for each slot. */
export function tableWords(sets: number): number {
  return sets * SET_WORDS;
}

export interface KeyTableMemory {
  readonly words: Int32Array;
  readonly lastUses: Float64Array;
  /** The secret of the hash, the same in all threads. */
  readonly hashKey: readonly [number, number];
}

/**
 * Slots for keys. Whoever enters a key's set is alone there until it leaves, so that what stands in the slot needs no atomic
 * operations of its own.
 */
export class KeyTable {
  /** Whether the slot that was entered last is the key's only now: what stands in it is another's. */
  isFresh = false;
  /** Slots that had better not be given away, while there are others. */
  isBusy: ((slot: number) => boolean) | null = null;
  readonly #words: Int32Array;
  readonly #lastUses: Float64Array;
  readonly #sets: number;
  readonly #hash: KeyedHash;
  readonly #lock: SetLock;
  #high = 0;
  #low = 0;
  #set = 0;

  /** @param thread tells this thread from others at the locks */
  constructor({ words, lastUses, hashKey }: KeyTableMemory, thread: number) {
    this.#words = words;
    this.#lastUses = lastUses;
    this.#sets = words.length / SET_WORDS;
    this.#hash = new KeyedHash(...hashKey);
    this.#lock = new SetLock(words, thread);
  }

  get slots(): number {
    return slotsOf(this.#sets);
  }

  /**
   * The key's slot: its own, or that of the key of the set that was used least recently. To be followed by `leave`, with nothing
   * between that could throw.
   */
  enter(key: string, now: number): number {
    this.#seek(key);
    const known = this.#find();
    this.isFresh = known === -1;
    const slot = known === -1 ? this.#insert() : known;
    this.#lastUses[slot] = now;
    return slot;
  }

  /** The key's slot, -1 when it has none. To be followed by `leave` in any case. */
  enterKnown(key: string): number {
    this.#seek(key);
    return this.#find();
  }

  leave(): void {
    this.#lock.leave();
  }

  /** Does something to each slot, being alone at its set. */
  forEach(visit: (slot: number) => void): void {
    for (let set = 0; set < this.#sets; set++) {
      this.#lock.enter(set * SET_WORDS);
      for (let slot = set * WAYS; slot < (set + 1) * WAYS; slot++) visit(slot);
      this.leave();
    }
  }

  /** A thread is gone, perhaps in the middle of something: nobody is to wait for it. */
  freeLocksOf(thread: number): void {
    for (let set = 0; set < this.#sets; set++) this.#lock.free(set * SET_WORDS, thread);
  }

  #seek(key: string): void {
    const hash = this.#hash;
    hash.of(key);
    this.#low = hash.low;
    // A slot whose upper half is 0 is free, so no key's is.
    this.#high = hash.high === 0 ? 1 : hash.high;
    this.#set = Math.floor(((hash.low >>> 0) * this.#sets) / 2 ** 32);
    this.#lock.enter(this.#set * SET_WORDS);
  }

  #find(): number {
    const words = this.#words;
    const set = this.#set;
    const start = set * SET_WORDS + HIGH;
    const high = this.#high;
    for (let at = start; at < start + WAYS; at++) {
      if (words[at] === high && words[at + WAYS] === this.#low) return set * WAYS + at - start;
    }
    return -1;
  }

  #insert(): number {
    const way = this.#wayToGive();
    const at = this.#set * SET_WORDS + HIGH + way;
    this.#words[at] = this.#high;
    this.#words[at + WAYS] = this.#low;
    return this.#set * WAYS + way;
  }

  /** Sets fill from their beginning. */
  #wayToGive(): number {
    const start = this.#set * SET_WORDS + HIGH;
    for (let way = 0; way < WAYS; way++) if (this.#words[start + way] === 0) return way;
    const idle = this.isBusy === null ? -1 : this.#oldest(this.isBusy);
    return idle === -1 ? this.#oldest(null) : idle;
  }

  #oldest(isBusy: ((slot: number) => boolean) | null): number {
    const start = this.#set * WAYS;
    let oldest = -1;
    for (let way = 0; way < WAYS; way++) {
      if (isBusy?.(start + way) === true) continue;
      if (oldest === -1 || this.#lastUses[start + way]! < this.#lastUses[start + oldest]!) oldest = way;
    }
    return oldest;
  }
}
