import { type GroupMemory, ServerNumber } from "./group-memory.ts";

/** Milliseconds after which a measured latency counts for a third. */
const DECAY_TIME = 10_000;

/** What a server that fails instead of answering counts as, milliseconds, at least: an error comes quickly, but is no answer. */
const FAILED = 1_000;

/**
 * How long servers take to answer: a moving average over all threads that goes up at once and comes down slowly, for a
 * server that has become slow should be noticed by one request, and not be believed for one quick answer. It comes down
 * also while nothing is measured: a server that nobody asks because it was slow is asked again some day.
 * Nothing is measured before somebody wants to know.
 */
export class LatencyMeter {
  /** Whether anybody has asked yet. */
  isWanted = false;
  readonly #memory: GroupMemory;
  readonly #now: () => number;

  /** @param now milliseconds of the clock that all threads share */
  constructor(memory: GroupMemory, now: () => number) {
    this.#memory = memory;
    this.#now = now;
  }

  /** Milliseconds; 0: not known. */
  of(slot: number): number {
    this.isWanted = true;
    const latency = this.#memory.number(slot, ServerNumber.Latency);
    return latency === 0 ? 0 : latency * this.#kept(slot, this.#now());
  }

  note(slot: number, milliseconds: number): void {
    const memory = this.#memory;
    const before = memory.number(slot, ServerNumber.Latency);
    const now = this.#now();
    const kept = milliseconds >= before ? 0 : this.#kept(slot, now);
    memory.setNumber(slot, ServerNumber.LatencyAt, now);
    memory.setNumber(slot, ServerNumber.Latency, before * kept + milliseconds * (1 - kept));
  }

  /**
   * An answer didn't come within so many milliseconds, so it takes that long at least: a server that never answers must not
   * stay one of which nothing is known. Less than what is believed anyway says nothing.
   * @param failed whether it was the server that ended the wait
   */
  noteUnanswered(slot: number, milliseconds: number, failed: boolean): void {
    const least = failed ? Math.max(milliseconds, FAILED) : milliseconds;
    if (least > this.of(slot)) this.note(slot, least);
  }

  /** What is left of what was measured last. */
  #kept(slot: number, now: number): number {
    const passed = Math.max(now - this.#memory.number(slot, ServerNumber.LatencyAt), 0);
    return Math.exp(-passed / DECAY_TIME);
  }
}
