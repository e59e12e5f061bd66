import { type GroupMemory, ServerNumber } from "./group-memory.ts";

/** Milliseconds after which a measured latency counts for a third. */
const DECAY_TIME = 10_000;

/**
 * How long servers take to answer: a moving average over all threads that goes up at once and comes down slowly, for a
 * server that has become slow should be noticed by one request, and not be believed for one quick answer.
 * Nothing is measured before somebody asks.
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
    return this.#memory.number(slot, ServerNumber.Latency);
  }

  note(slot: number, milliseconds: number): void {
    const memory = this.#memory;
    const before = memory.number(slot, ServerNumber.Latency);
    const now = this.#now();
    const passed = Math.max(now - memory.number(slot, ServerNumber.LatencyAt), 0);
    const kept = milliseconds >= before ? 0 : Math.exp(-passed / DECAY_TIME);
    memory.setNumber(slot, ServerNumber.LatencyAt, now);
    memory.setNumber(slot, ServerNumber.Latency, before * kept + milliseconds * (1 - kept));
  }
}
