import type { CacheKey } from "./store.ts";

/*
 * Which keys' responses couldn't be stored lately, in memory that threads share. A set is one cache line:
 *
 *     | 8 × print of a key | 8 × until when |   for each set
 *
 * Nothing is locked. Two threads that write to one slot at once leave the print of one with the time of the other: a key is
 * then thought uncacheable for somewhat too long or too short, or another one is, once in 2³² times. All that costs is a
 * request to the server.
 */

const WAYS = 8;
const SET_WORDS = 2 * WAYS;
/** Milliseconds that times are noted in: 32 bits of them last for years of a machine's running. */
const TICK = 256;

/** Keys fall into sets by chance, and a set that is full forgets: with this many slots for a key, few go before their time. */
const SPARE = 1.5;

/** Memory for about so many keys. */
export function allocatePredictor(mostKeys: number): SharedArrayBuffer {
  const sets = Math.max(1, Math.ceil((mostKeys * SPARE) / WAYS));
  return new SharedArrayBuffer(sets * SET_WORDS * Int32Array.BYTES_PER_ELEMENT);
}

type Hashed = Pick<CacheKey, "hash">;

/** Milliseconds that a key is remembered, as Varnish does by default. */
const UNCACHEABLE_LIFETIME = 120_000;

/**
 * Keeps requests whose responses can't be stored anyway from waiting for one another: they go to the server at once. Who finds
 * that a response can be stored after all makes it `forget`, so that a wrong guess ends with the next response.
 */
export class Predictor {
  readonly #words: Int32Array;
  readonly #sets: number;
  readonly #lifetime: number;

  /** @param lifetime milliseconds that a key is remembered since it was last seen; 0: not at all */
  constructor(memory: SharedArrayBuffer, lifetime: number = UNCACHEABLE_LIFETIME) {
    this.#words = new Int32Array(memory);
    this.#sets = this.#words.length / SET_WORDS;
    this.#lifetime = lifetime;
  }

  /**
   * Whether its responses couldn't be stored lately.
   * @param now milliseconds of the clock that all threads of the machine have (`monotonicNow`)
   */
  isUncacheable({ hash }: Hashed, now: number): boolean {
    const at = this.#find(hash);
    return at !== -1 && this.#words[at + WAYS]! > now / TICK;
  }

  /** A response under this key couldn't be stored. */
  remember({ hash }: Hashed, now: number): void {
    if (this.#lifetime === 0) return;
    const known = this.#find(hash);
    const at = known === -1 ? this.#soonestOver(hash) : known;
    this.#words[at] = printOf(hash);
    this.#words[at + WAYS] = Math.ceil((now + this.#lifetime) / TICK);
  }

  /** A response under this key could be stored. */
  forget({ hash }: Hashed): void {
    const at = this.#find(hash);
    if (at !== -1) this.#words[at + WAYS] = 0;
  }

  #find(hash: Int32Array): number {
    const words = this.#words;
    const print = printOf(hash);
    const start = this.#setOf(hash);
    for (let at = start; at < start + WAYS; at++) if (words[at] === print) return at;
    return -1;
  }

  /** Slots that were never used have a time of 0. */
  #soonestOver(hash: Int32Array): number {
    const words = this.#words;
    const start = this.#setOf(hash);
    let soonest = start;
    for (let at = start + 1; at < start + WAYS; at++)
      if (words[at + WAYS]! < words[soonest + WAYS]!) soonest = at;
    return soonest;
  }

  #setOf(hash: Int32Array): number {
    return Math.floor(((hash[0]! >>> 0) * this.#sets) / 2 ** 32) * SET_WORDS;
  }
}

/** Bits that don't choose the set. 0 is a slot that was never used. */
function printOf(hash: Int32Array): number {
  return hash[1]! === 0 ? 1 : hash[1]!;
}
