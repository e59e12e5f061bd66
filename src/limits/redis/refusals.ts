import { LimitDecision } from "../limit-decision.ts";

/** Milliseconds that a refusal is believed: who takes a limit back in Redis doesn't wait for longer. */
const LONGEST = 1000;
/** Keys that are remembered. */
const MOST = 4096;

interface Refusal {
  readonly until: number;
  readonly reset: number;
  readonly retry: number;
}

/**
 * Remembers whom Redis has refused, and until when: nobody could change that meanwhile but by taking even more. A client that
 * asks a thousand times a second in spite of it costs Redis one question a second.
 */
export class Refusals {
  readonly #limit: number;
  /** The oldest comes first. */
  readonly #refusals = new Map<string, Refusal>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Null: Redis has to be asked. */
  of(key: string, now: number): LimitDecision | null {
    const refusal = this.#refusals.get(key);
    if (refusal === undefined) return null;
    if (now < refusal.until)
      return new LimitDecision(this.#limit).refuse(refusal.reset - now, refusal.retry - now);
    this.#refusals.delete(key);
    return null;
  }

  /**
   * @param asked when Redis was, or earlier
   * @param reset milliseconds since then, like `retryAfter`
   */
  add(key: string, asked: number, reset: number, retryAfter: number): void {
    if (this.#refusals.size >= MOST) this.#refusals.delete(this.#refusals.keys().next().value!);
    const until = asked + Math.min(retryAfter, LONGEST);
    this.#refusals.set(key, { until, reset: asked + reset, retry: asked + retryAfter });
  }

  clear(): void {
    this.#refusals.clear();
  }
}
