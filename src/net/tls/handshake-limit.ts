import { Fifo } from "../../base/fifo.ts";

/** Somebody who wants to shake hands. */
export interface HandshakeWaiter {
  /** False when it has gone meanwhile. */
  readonly isWaiting: boolean;
  onTurn(): void;
}

/**
 * How many handshakes may be under way at once: each costs hundreds of times what a request does, and a flood of new
 * connections must not starve those that stand. Those over the limit wait for their turn, with nothing computed for
 * them yet.
 */
export class HandshakeLimit {
  readonly #most: number;
  readonly #mostWaiting: number;
  readonly #waiting = new Fifo<HandshakeWaiter>();
  #underWay = 0;

  /** @param most 0: no limit */
  constructor(most: number, mostWaiting: number = 10_000) {
    this.#most = most;
    this.#mostWaiting = mostWaiting;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** Those that wait, also those of them that have gone. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Calls `onTurn` now or later, or returns false when too many wait already. Each turn ends with `leave`. */
  enter(waiter: HandshakeWaiter): boolean {
    if (this.#most > 0 && this.#underWay >= this.#most) {
      if (this.#waiting.length >= this.#mostWaiting) return false;
      this.#waiting.push(waiter);
      return true;
    }
    this.#underWay++;
    waiter.onTurn();
    return true;
  }

  leave(): void {
    this.#underWay--;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (!next.isWaiting) continue;
      this.#underWay++;
      next.onTurn();
      return;
    }
  }
}
