import { LimitDecision } from "./limit-decision.ts";
import type { LimitMemory } from "./limit-memory.ts";
import type { Decision } from "./limiter.ts";
import type { LimiterSettings } from "./limiter-settings.ts";
import type { LimiterKind, LocalLimiter } from "./local-limiter.ts";

/** Of a token: sums of fractions come out a little over or under. */
const TOLERANCE = 1e-3;

/**
 * A bucket that tokens flow into evenly, `limit` in a window, until `burst` are in it; each request takes one. One number says it
 * all, the time when the bucket will be full (the generic cell rate algorithm, ITU-T I.371): a request puts it off by
 * what a token takes to flow in.
 *
 *     ───┬──────────────────┬────────────────────┬───▶ time        tokens = (now + burst · interval − full) / interval
 *       now                full      now + burst · interval
 */
class TokenBucket implements LocalLimiter {
  readonly #memory: LimitMemory;
  readonly #decision: LimitDecision;
  /** Milliseconds a token takes. */
  readonly #interval: number;
  /** Milliseconds an empty bucket takes. */
  readonly #capacity: number;

  constructor({ limit, window, burst }: LimiterSettings, memory: LimitMemory) {
    this.#memory = memory;
    this.#decision = new LimitDecision(limit);
    this.#interval = window / limit;
    this.#capacity = burst * this.#interval;
  }

  take(key: string, now: number): Decision {
    const { table, numbers } = this.#memory;
    const interval = this.#interval;
    const slot = table.enter(key, now);
    let missing = table.isFresh ? 0 : Math.max(numbers[slot]! - now, 0);
    // More than a bucket holds is missing only from one that was larger, or filled more slowly, until just now.
    if (missing > this.#capacity + interval) {
      missing = this.#capacity;
      numbers[slot] = now + missing;
    }
    const left = this.#capacity - missing;
    const isAllowed = left >= interval * (1 - TOLERANCE);
    if (isAllowed) numbers[slot] = now + missing + interval;
    else if (table.isFresh) numbers[slot] = now;
    table.leave();
    return isAllowed
      ? this.#decision.allow(Math.floor(left / interval + TOLERANCE) - 1, missing + interval)
      : this.#decision.refuse(missing, interval - left);
  }
}

export const tokenBucket: LimiterKind = {
  shapeOf: () => ({ numbers: 1, words: 0, halves: 0 }),
  canCountOn: () => true,
  create: (settings, memory) => new TokenBucket(settings, memory),
};
