import type { WindowTiming } from "./flow-window.ts";

/** Weight of a new measurement. */
const WEIGHT = 1 / 8;

/**
 * How long it takes to the peer and back, by the answers to SETTINGS and PING. One is measured at a time, and what comes out
 * counts whatever kept the peer busy too.
 */
export class RoundTrip implements WindowTiming {
  readonly now: () => number;
  /** Milliseconds, smoothed; 0 before the first measurement. */
  roundTrip = 0;
  #sentAt = -1;

  /** @param now milliseconds of a clock that doesn't go back */
  constructor(now: () => number) {
    this.now = now;
  }

  get isMeasuring(): boolean {
    return this.#sentAt >= 0;
  }

  /** Something that the peer answers at once leaves now. */
  sent(): void {
    if (!this.isMeasuring) this.#sentAt = this.now();
  }

  /** Its answer is here. */
  answered(): void {
    if (!this.isMeasuring) return;
    const sample = this.now() - this.#sentAt;
    this.#sentAt = -1;
    this.roundTrip = this.roundTrip === 0 ? sample : this.roundTrip + (sample - this.roundTrip) * WEIGHT;
  }
}
