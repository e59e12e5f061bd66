import type { CacheKey } from "./store.ts";

/*
 * How often keys were invalidated, in memory that threads share: counters that keys fall to by their hashes. What is about to be
 * stored may be as old as what was taken out while it was on its way; whoever fetches it sees here that there was something. Two keys
 * with one counter cost a response that isn't kept now and then, and nothing more.
 */

const COUNTERS = 4096;

export function allocateInvalidations(): SharedArrayBuffer {
  return new SharedArrayBuffer(COUNTERS * Int32Array.BYTES_PER_ELEMENT);
}

/** Tells fetches under way, in all threads, that what they bring is out of date. */
export class Invalidations {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** Once the key is invalidated there is another count. */
  count({ hash }: Pick<CacheKey, "hash">): number {
    return Atomics.load(this.#words, counterOf(hash));
  }

  /** To be called before what is stored is removed. */
  add({ hash }: Pick<CacheKey, "hash">): void {
    Atomics.add(this.#words, counterOf(hash), 1);
  }
}

function counterOf(hash: Int32Array): number {
  return (hash[2]! >>> 0) % COUNTERS;
}
