import { LimitDecision } from "./limit-decision.ts";
import type { LimitMemory } from "./limit-memory.ts";
import type { Decision } from "./limiter.ts";
import type { LimiterSettings } from "./limiter-settings.ts";
import type { LimiterKind, LocalLimiter } from "./local-limiter.ts";

/** When one of the requests under way ends is anybody's guess: milliseconds that clients are told to wait. */
const GUESS = 1000;

/**
 * So many requests at once. A slot has their number, and each thread's part of it, so that the part of one that died can be
 * taken back:
 *
 *     words of a slot   │ all │ thread 0 │ thread 1 │ …
 *
 * Keys with requests under way are the last to make room. One that had to is counted from 0 again, and what it had under way then
 * is forgotten: its end counts only as far as the thread has others of that key.
 */
class Concurrency implements LocalLimiter {
  readonly #limit: number;
  readonly #stride: number;
  /** Where the part of this thread stands. */
  readonly #own: number;
  readonly #memory: LimitMemory;
  readonly #decision: LimitDecision;

  constructor({ limit }: LimiterSettings, memory: LimitMemory) {
    this.#limit = limit;
    this.#stride = wordsFor(memory.threads);
    this.#own = 1 + memory.thread;
    this.#memory = memory;
    this.#decision = new LimitDecision(limit);
    memory.table.isBusy = (slot) => memory.words[slot * this.#stride]! > 0;
  }

  take(key: string, now: number): Decision {
    const { table, words } = this.#memory;
    const at = table.enter(key, now) * this.#stride;
    if (table.isFresh) words.fill(0, at, at + this.#stride);
    const count = words[at]!;
    const isAllowed = count < this.#limit;
    if (isAllowed) {
      words[at] = count + 1;
      words[at + this.#own]! += 1;
    }
    table.leave();
    return isAllowed ? this.#decision.allow(this.#limit - count - 1, 0) : this.#decision.refuse(0, GUESS);
  }

  release(key: string): void {
    const { table, words } = this.#memory;
    const slot = table.enterKnown(key);
    const at = slot * this.#stride;
    if (slot !== -1 && words[at + this.#own]! > 0) {
      words[at]! -= 1;
      words[at + this.#own]! -= 1;
    }
    table.leave();
  }

  forgetThread(thread: number): void {
    const { table, words } = this.#memory;
    table.forEach((slot) => {
      const at = slot * this.#stride;
      words[at]! -= words[at + 1 + thread]!;
      words[at + 1 + thread] = 0;
    });
  }
}

function wordsFor(threads: number): number {
  return 1 + Math.max(threads, 1);
}

export const concurrency: LimiterKind = {
  shapeOf: (_settings, threads) => ({ numbers: 0, words: wordsFor(threads), halves: 0 }),
  canCountOn: () => true,
  create: (settings, memory) => new Concurrency(settings, memory),
};
