import { TimeoutQueue } from "../../base/timeouts.ts";

/** Milliseconds. */
const LONGEST_TURN = 1_000;

/** Somebody who wants to shake hands. */
export interface HandshakeWaiter {
  /** False when it has gone meanwhile; it tells by `forgetOne`, too. */
  readonly isWaiting: boolean;
  onTurn(): void;
}

/**
 * How many handshakes may be under way at once: each costs hundreds of times what a request does, and a flood of new
 * connections must not starve those that stand. Those over the limit wait for their turn, with nothing computed for
 * them yet.
 *
 * Who came last is next: in a flood whoever has waited for long is hardly there any more, and a client that comes now would wait
 * for all of it. A turn is over with the handshake, or after a second: what a hello costs was spent by then, and clients that
 * say nothing more must not keep others waiting.
 */
export class HandshakeLimit {
  /** Tells those that have a turn when they have to `leave`; they may go on without one. */
  readonly turns: TimeoutQueue;
  readonly #most: number;
  readonly #mostWaiting: number;
  /** In the order in which they came, with those that have gone. */
  #stack: HandshakeWaiter[] = [];
  #gone = 0;
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
    return this.#stack.length - this.#gone;
  }

  /** Calls `onTurn` now or later, or returns false when too many wait already. Each turn ends with `leave`. */
  enter(waiter: HandshakeWaiter): boolean {
    if (this.#most > 0 && this.#underWay >= this.#most) {
      if (this.waiting >= this.#mostWaiting) return false;
      this.#stack.push(waiter);
      return true;
    }
    this.#underWay++;
    waiter.onTurn();
    return true;
  }

  leave(): void {
    this.#underWay--;
    for (let next = this.#stack.pop(); next !== undefined; next = this.#stack.pop()) {
      if (next.isWaiting) {
        this.#underWay++;
        next.onTurn();
        return;
      }
      this.#gone--;
    }
  }

  /** One that waits has gone. */
  forgetOne(): void {
    this.#gone++;
    if (this.#gone * 2 <= this.#stack.length) return;
    this.#stack = this.#stack.filter(({ isWaiting }) => isWaiting);
    this.#gone = 0;
  }
}
