import type { Random } from "../../base/random.ts";
import type { Server } from "../server.ts";
import type { BalancingPolicy, Eligibility, PolicyMeans } from "./balancing-policy.ts";
import { toProportions } from "./proportions.ts";

/** Rounds of a schedule that make a deck: with more it is harder to foresee, with fewer it is evener. */
const ROUNDS = 4;

const MOST_CARDS = 4096;

/** Cards that a choice turns over before it looks at all servers. */
const MOST_DEALS = 8;

/**
 * By chance, each as often as its share says: dealt from a shuffled deck with some cards of every server. Nobody can foresee who is
 * next without counting, proxies that don't know of each other don't fall into step, and it is much evener than
 * drawing each time from all: that gives one server of three 40 % too much or too little in every fiftieth run of 90 requests,
 * where from a deck it never gets more than 4 too many or too few.
 */
export class RandomChoice implements BalancingPolicy {
  #servers: readonly Server[] = [];
  #shares: readonly number[] = [];
  #deck = new Uint16Array(0);
  #dealt = 0;
  readonly #random: Random;

  constructor(means: PolicyMeans) {
    this.#random = means.random;
  }

  update(servers: readonly Server[], shares: readonly number[]): void {
    this.#servers = servers;
    this.#shares = shares;
    this.#deck = toDeck(toProportions(shares, MOST_CARDS / ROUNDS));
    this.#dealt = 0;
  }

  pick(_key: string | Uint8Array | null, isEligible: Eligibility | null): Server | null {
    if (this.#deck.length === 0) return null;
    for (let deals = 0; deals < MOST_DEALS; deals++) {
      const server = this.#servers[this.#deal()]!;
      if (isEligible === null || isEligible(server)) return server;
    }
    return this.#drawFromAll(isEligible);
  }

  /** The shuffling is done card by card: what lies before `#dealt` is out, one of the others is put there. */
  #deal(): number {
    const deck = this.#deck;
    const from = this.#dealt + Math.floor(this.#random.next() * (deck.length - this.#dealt));
    const card = deck[from]!;
    deck[from] = deck[this.#dealt]!;
    deck[this.#dealt] = card;
    this.#dealt = this.#dealt + 1 === deck.length ? 0 : this.#dealt + 1;
    return card;
  }

  /** In one pass, by lots: each eligible server replaces the one before with the probability of its share in all so far. */
  #drawFromAll(isEligible: Eligibility | null): Server | null {
    let drawn: Server | null = null;
    let sum = 0;
    for (let place = 0; place < this.#servers.length; place++) {
      const share = this.#shares[place]!;
      const server = this.#servers[place]!;
      if (share === 0 || (isEligible !== null && !isEligible(server))) continue;
      sum += share;
      if (this.#random.next() * sum < share) drawn = server;
    }
    return drawn;
  }
}

function toDeck(proportions: readonly number[]): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(
    proportions.flatMap((proportion, place) => new Array<number>(proportion * ROUNDS).fill(place)),
  );
}
