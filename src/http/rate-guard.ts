import { threadClock } from "../base/timeouts.ts";

/** Milliseconds over which a rate is judged. */
const WINDOW = 5_000;

/**
 * Tells a sender that is slow on purpose from one that has to wait: bytes are counted over windows of five seconds in
 * which we read. Time in which we don't is nobody's; were its window not judged at all, a filter that takes its time for
 * each chunk would excuse any sender.
 */
export class RateGuard {
  readonly #minimum: number;
  readonly #clock: { readonly now: number };
  #windowStart = 0;
  #bytes = 0;
  /** Since when we don't read; -1 while we do. */
  #pausedAt = -1;

  /** @param minimumRate bytes a second; 0 accepts any */
  constructor(minimumRate: number, clock: { readonly now: number } = threadClock) {
    this.#minimum = (minimumRate * WINDOW) / 1000;
    this.#clock = clock;
  }

  start(): void {
    this.#windowStart = this.#clock.now;
    this.#bytes = 0;
    this.#pausedAt = -1;
  }

  pause(): void {
    if (this.#pausedAt < 0) this.#pausedAt = this.#clock.now;
  }

  resume(): void {
    if (this.#pausedAt >= 0) this.#windowStart += this.#clock.now - this.#pausedAt;
    this.#pausedAt = -1;
  }

  /** Counts bytes that came in; false when they came too slowly. */
  accepts(bytes: number): boolean {
    this.#bytes += bytes;
    if (this.#minimum === 0 || this.#clock.now - this.#windowStart < WINDOW) return true;
    const isFastEnough = this.#bytes >= this.#minimum;
    this.start();
    return isFastEnough;
  }
}
