import { LimitDecision } from "./limit-decision.ts";
import type { LimitMemory } from "./limit-memory.ts";
import type { Decision } from "./limiter.ts";
import type { LimiterSettings } from "./limiter-settings.ts";
import type { LimiterKind, LocalLimiter } from "./local-limiter.ts";

/** When the window began, and the requests since. */
const STRIDE = 2;

/**
 * So many requests, then none until the window is over. A key's window begins with its first request and not with the minute
 * or the second: nothing gets through twice for coming just before and just after one, and clients that were refused
 * don't all come back at once. Still, two windows may meet so that the end of one and the beginning of the next let in
 * nearly twice the limit.
 */
class FixedWindow implements LocalLimiter {
  readonly #limit: number;
  readonly #window: number;
  readonly #memory: LimitMemory;
  readonly #decision: LimitDecision;

  constructor({ limit, window }: LimiterSettings, memory: LimitMemory) {
    this.#limit = limit;
    this.#window = window;
    this.#memory = memory;
    this.#decision = new LimitDecision(limit);
  }

  take(key: string, now: number): Decision {
    const { table, numbers } = this.#memory;
    const at = table.enter(key, now) * STRIDE;
    if (table.isFresh || now - numbers[at]! >= this.#window) {
      numbers[at] = now;
      numbers[at + 1] = 0;
    }
    const count = numbers[at + 1]!;
    const isAllowed = count < this.#limit;
    if (isAllowed) numbers[at + 1] = count + 1;
    // Another thread's clock may have been read a moment later than this one's.
    const left = Math.min(numbers[at]! + this.#window - now, this.#window);
    table.leave();
    return isAllowed
      ? this.#decision.allow(this.#limit - count - 1, left)
      : this.#decision.refuse(left, left);
  }
}

export const fixedWindow: LimiterKind = {
  shapeOf: () => ({ numbers: STRIDE, words: 0, halves: 0 }),
  canCountOn: () => true,
  create: (settings, memory) => new FixedWindow(settings, memory),
};
