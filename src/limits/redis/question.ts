import type { Decision } from "../limiter.ts";

/** A request that waits for a decision. */
export class Waiter {
  readonly key: string;
  /** When it came, on the clock that requests are limited by. */
  readonly now: number;
  /** Until when it waits, on the clock of the thread. */
  readonly until: number;
  isDone = false;
  /** Who came after it, of whatever key. */
  next: Waiter | null = null;
  readonly #decided = Promise.withResolvers<Decision>();

  constructor(key: string, now: number, until: number) {
    this.key = key;
    this.now = now;
    this.until = until;
  }

  get decision(): Promise<Decision> {
    return this.#decided.promise;
  }

  decide(decision: Decision): void {
    this.isDone = true;
    this.#decided.resolve(decision);
  }
}

/**
 * What is asked of a key. One question at a time is under way: who comes meanwhile is asked for together by the next one, so
 * that a key that everybody shares costs Redis no more than one that few have.
 */
export class Question {
  /** Those that the one under way is for. */
  asking: readonly Waiter[];
  /** Those that came since. */
  waiting: Waiter[] = [];

  constructor(first: Waiter) {
    this.asking = [first];
  }

  /** Goes on to those who wait; false: there are none. */
  advance(): boolean {
    this.asking = this.waiting;
    this.waiting = [];
    return this.asking.length > 0;
  }
}
