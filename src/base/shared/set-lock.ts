/** Looks at a lock before its holder is thought to have been stopped in the middle, some 20 µs. */
const SPINS = 1000;
/**
 * Naps, a millisecond each, before its holder is thought to be dead. On a busy machine one that lives may have to wait for its processor
 * for a tenth of a second, and what both do then would be counted wrong.
 */
const MOST_NAPS = 500;

/** The bits of a ticket that tell whose it is; the others tell which turn it was. */
const MARK = 0x3ff << 21;

function markOf(thread: number): number {
  return ((thread + 1) << 21) & MARK;
}

/**
 * Locks in words of shared memory, for a few hundred nanoseconds at a time. A thread can be ended in the middle of anything,
 * so one that waits too long for one and the same holder takes its lock: by compare-and-swap on the word, which says whose
 * turn it is, so that only one does and a holder that comes back to life frees nobody else's. Naps are counted rather than
 * measured: a process that was stopped as a whole finds no time gone. Who knows that a thread is gone needn't wait: `free`.
 */
export class SetLock {
  readonly #words: Int32Array;
  readonly #thread: number;
  #turn = 0;
  #held = 0;
  #ticket = 0;

  constructor(words: Int32Array, thread: number) {
    this.#words = words;
    this.#thread = markOf(thread);
  }

  /** @param at the lock's word; one at a time */
  enter(at: number): void {
    this.#turn = (this.#turn + 1) & 0x1f_ffff;
    this.#ticket = this.#thread | this.#turn || 1;
    this.#held = at;
    if (Atomics.compareExchange(this.#words, at, 0, this.#ticket) !== 0) this.#wait();
  }

  /** @returns false when somebody took it meanwhile, and wasn't alone therefore */
  leave(): boolean {
    return Atomics.compareExchange(this.#words, this.#held, this.#ticket, 0) === this.#ticket;
  }

  /** Frees a lock if it is held by a thread that is gone for certain. @param at the lock's word */
  free(at: number, thread: number): void {
    const holder = Atomics.load(this.#words, at);
    if ((holder & MARK) === markOf(thread)) Atomics.compareExchange(this.#words, at, holder, 0);
  }

  #wait(): void {
    const words = this.#words;
    const at = this.#held;
    let holder = 0;
    let spins = 0;
    for (;;) {
      const seen = Atomics.compareExchange(words, at, 0, this.#ticket);
      if (seen === 0) return;
      spins = seen === holder ? spins + 1 : 0;
      holder = seen;
      if (spins > SPINS + MOST_NAPS && Atomics.compareExchange(words, at, holder, this.#ticket) === holder)
        return;
      if (spins > SPINS) Atomics.wait(words, at, holder, 1);
    }
  }
}
