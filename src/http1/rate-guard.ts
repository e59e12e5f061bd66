import { threadClock } from "../base/timeouts.ts";

/** Milliseconds over which a rate is judged. */
const WINDOW = 5_000;

/**
 * Tells a sender that is slow on purpose from one that has to wait: bytes are counted over windows of five seconds, and
 * a window in which we ourselves stopped reading isn't judged.
 */
export class RateGuard {
  readonly #minimum: number;
  readonly #clock: { readonly now: number };
  #windowStart = 0;
  #bytes = 0;
  #excused = false;

  /** @param minimumRate bytes a second; 0 accepts any */
  constructor(minimumRate: number, clock: { readonly now: number } = threadClock) {
    this.#minimum = (minimumRate * WINDOW) / 1000;
    this.#clock = clock;
  }

  start(): void {
    this.#windowStart = this.#clock.now;
    this.#bytes = 0;
    this.#excused = false;
  }

  /** We stopped reading: the sender isn't to blame for this window. */
  excuse(): void {
    this.#excused = true;
  }

  /** Counts bytes that came in; false when they came too slowly. */
  accepts(bytes: number): boolean {
    this.#bytes += bytes;
    if (this.#minimum === 0 || this.#clock.now - this.#windowStart < WINDOW) return true;
    const isFastEnough = this.#excused || this.#bytes >= this.#minimum;
    this.start();
    return isFastEnough;
  }
}
