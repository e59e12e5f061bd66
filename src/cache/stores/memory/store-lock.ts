/** Looks at the lock before its holder is thought to have been stopped in the middle, some 20 µs. */
const SPINS = 1000;
/** Naps, a millisecond each, before one does without the store for now. */
const MOST_NAPS = 50;

/**
 * One lock around the structure of a store, for a few hundred nanoseconds mostly. A thread can be ended while it holds it, but
 * it can also merely be slow, for a machine short of memory or time stops threads anywhere: to take its lock away then would be
 * to serve one response's bytes as another's. So nobody does who merely waited; they go on without the store, as they can without
 * any cache, until whoever knows that the thread is gone says so (`isHeldBy`).
 */
export class StoreLock {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #row: number;
  #turn = 0;
  #ticket = 0;
  /** The holder that was waited for in vain. */
  #givenUp = 0;

  constructor(words: Int32Array, at: number, row: number) {
    this.#words = words;
    this.#at = at;
    this.#row = (row + 1) << 20;
  }

  /** @returns false when somebody else holds it and doesn't let go */
  enter(): boolean {
    this.#turn = (this.#turn + 1) & 0xf_ffff;
    this.#ticket = this.#row | this.#turn;
    return Atomics.compareExchange(this.#words, this.#at, 0, this.#ticket) === 0 || this.#wait();
  }

  leave(): void {
    Atomics.store(this.#words, this.#at, 0);
  }

  /** Whether that thread has it, of which the caller knows that it isn't any more: it is the caller's then. */
  takeFrom(row: number): boolean {
    const held = Atomics.load(this.#words, this.#at);
    if (held >>> 20 !== row + 1) return false;
    this.#ticket = this.#row;
    return Atomics.compareExchange(this.#words, this.#at, held, this.#ticket) === held;
  }

  #wait(): boolean {
    const words = this.#words;
    const at = this.#at;
    for (let tries = 0; tries < SPINS + MOST_NAPS; tries++) {
      const seen = Atomics.compareExchange(words, at, 0, this.#ticket);
      if (seen === 0) return true;
      if (seen === this.#givenUp) return false;
      if (tries > SPINS) Atomics.wait(words, at, seen, 1);
    }
    this.#givenUp = Atomics.load(words, at);
    return false;
  }
}
