import { TimeoutQueue } from "../../base/timeouts.ts";

/** Milliseconds. */
const LONGEST_TURN = 1_000;

/** Somebody who wants to shake hands. */
export interface HandshakeWaiter {
  onTurn(): void;
}

/**
 * How many handshakes may be under way at once: each costs hundreds of times what a request does, and a flood of new
 * connections must not starve those that stand. Those over the limit wait for their turn, with nothing computed for
 * them yet.
 *
 * A turn is over with the handshake, or after a second: what a hello costs was spent by then, and clients that say nothing more
 * must not keep others waiting.
 */
export class HandshakeLimit {
  /** Tells those that have a turn when they have to `leave`; they may go on without one. */
  readonly turns: TimeoutQueue;
  readonly #most: number;
  readonly #mostWaiting: number;
  /** In the order in which they came. */
  readonly #waiting = new Set<HandshakeWaiter>();
  #underWay = 0;

  /**
   * @param most 0: no limit
   * @param longestTurn 0: turns end with the handshake only
   */
  constructor(most: number, mostWaiting: number = 10_000, longestTurn: number = LONGEST_TURN) {
    this.turns = new TimeoutQueue(longestTurn);
    this.#most = most;
    this.#mostWaiting = mostWaiting;
  }

  get underWay(): number {
    return this.#underWay;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Calls `onTurn` now or later, or returns false when too many wait already. Whoever got true has to `leave`. */
  enter(waiter: HandshakeWaiter): boolean {
    if (this.#most > 0 && this.#underWay >= this.#most) {
      if (this.#waiting.size >= this.#mostWaiting) return false;
      this.#waiting.add(waiter);
      return true;
    }
    this.#underWay++;
    waiter.onTurn();
    return true;
  }

  /** Gives up its turn, for the one that has waited longest, or its place among those that wait. */
  leave(waiter: HandshakeWaiter): void {
    if (this.#waiting.delete(waiter)) return;
    this.#underWay--;
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      this.#underWay++;
      next.onTurn();
      return;
    }
  }
}
