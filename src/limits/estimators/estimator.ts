import { randomFillSync } from "node:crypto";
import { KeyedHash } from "../../base/shared/keyed-hash.ts";

export interface EstimatorOptions {
  /** Rows of counters, 1 to 16. Default 4: an estimate is too high by chance once in e⁴, some fifty, at the most. */
  readonly hashes?: number;
  /** Counters in a row. Default 1024: an estimate that isn't off by chance is too high by e/1024 of all events at the most. */
  readonly slots?: number;
}

/** Integers before the counters: the secret of the hash, and the shape. */
const HEADER = 4;

/**
 * Counts of any number of keys in a table of fixed size, a count-min sketch (G. Cormode and S. Muthukrishnan, 2005). A key has one
 * counter in each row, and may share it with others; the lowest of its counters is the estimate. So it is never too low.
 *
 *     row 0  │   │ 5 │   │   │ 2 │        a key with the counters 5, 3 and 4
 *     row 1  │ 3 │   │   │   │   │        was seen 3 times at the most
 *     row 2  │   │   │ 4 │   │   │
 *
 * Whoever makes one over the `memory` of another, in any thread, counts together with it.
 */
export class Estimator {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #hash: KeyedHash;
  readonly #hashes: number;
  readonly #slots: number;

  /** @throws RangeError when there would be no row or no counter, or too many */
  constructor(options: EstimatorOptions | SharedArrayBuffer = {}) {
    this.memory = options instanceof SharedArrayBuffer ? options : allocate(options);
    this.#words = new Int32Array(this.memory);
    const [key0 = 0, key1 = 0, hashes = 0, slots = 0] = this.#words;
    this.#hash = new KeyedHash(key0, key1);
    this.#hashes = hashes;
    this.#slots = slots;
  }

  /**
   * Counts events of a key; a negative number takes them back.
   * @returns the estimate with them
   */
  add(key: string, events: number = 1): number {
    this.#hash.of(key);
    let least = Number.POSITIVE_INFINITY;
    for (let row = 0; row < this.#hashes; row++) {
      least = Math.min(least, Atomics.add(this.#words, this.#placeIn(row), events) + events);
    }
    return least;
  }

  /** How many events of a key there were, or a few more. */
  get(key: string): number {
    this.#hash.of(key);
    let least = Number.POSITIVE_INFINITY;
    for (let row = 0; row < this.#hashes; row++) {
      least = Math.min(least, Atomics.load(this.#words, this.#placeIn(row)));
    }
    return least;
  }

  /** Forgets all. What others count meanwhile may be forgotten too. */
  reset(): void {
    this.#words.fill(0, HEADER);
  }

  /** Where the counter of the key that was hashed last stands: two halves of a hash serve any number of rows. */
  #placeIn(row: number): number {
    const { low, high } = this.#hash;
    const mixed = (low + Math.imul(row, high | 1)) >>> 0;
    return HEADER + row * this.#slots + Math.floor((mixed * this.#slots) / 2 ** 32);
  }
}

function allocate({ hashes = 4, slots = 1024 }: EstimatorOptions): SharedArrayBuffer {
  if (!(Number.isInteger(hashes) && hashes >= 1 && hashes <= 16))
    throw new RangeError(`An estimator has 1 to 16 hashes, and not ${hashes}`);
  if (!(Number.isInteger(slots) && slots >= 1 && slots <= 2 ** 24))
    throw new RangeError(`An estimator has 1 to 16777216 slots, and not ${slots}`);
  const memory = new SharedArrayBuffer((HEADER + hashes * slots) * Int32Array.BYTES_PER_ELEMENT);
  new Int32Array(memory).set([...randomFillSync(new Int32Array(2)), hashes, slots]);
  return memory;
}
