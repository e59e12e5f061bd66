import type { Server } from "../server.ts";
import {
  type BalancingPolicy,
  type Eligibility,
  type PolicyMeans,
  SHARES_PER_WEIGHT,
} from "./balancing-policy.ts";
import { Candidates } from "./candidates.ts";
import { hashKey } from "./key-hash.ts";
import { RoundRobin } from "./round-robin.ts";

/** Places of servers in a circle. */
export interface Circle {
  readonly places: Uint16Array;
  /**
   * Where a key belongs: an index of `places`.
   * @param hash of the key, 32 bits, signed
   */
  find(hash: number): number;
}

export type CreateCircle = (servers: readonly Server[], weights: readonly number[]) => Circle;

/**
 * The same server for the same key. The circle knows all servers, whether they are out or not: whoever belongs to one that is out
 * is sent on to the next in the circle, everybody else stays, and all come home when it is back.
 * Requests without a key take turns.
 */
export class HashingPolicy implements BalancingPolicy {
  #servers: readonly Server[] = [];
  #weights: ReadonlyMap<string, number> = new Map();
  #circle: Circle | null = null;
  readonly #candidates = new Candidates();
  readonly #turns: RoundRobin;
  readonly #createCircle: CreateCircle;

  constructor(means: PolicyMeans, createCircle: CreateCircle) {
    this.#turns = new RoundRobin(means);
    this.#createCircle = createCircle;
  }

  update(servers: readonly Server[], shares: readonly number[]): void {
    const weights = servers.map((server, place) => this.#weightOf(server, shares[place]!));
    const isSame =
      servers.length === this.#servers.length &&
      servers.every(({ address }, place) => address === this.#servers[place]!.address) &&
      servers.every(({ address }, place) => weights[place] === this.#weights.get(address));
    this.#servers = servers;
    this.#weights = new Map(servers.map(({ address }, place) => [address, weights[place]!]));
    this.#candidates.update(servers, shares);
    this.#turns.update(servers, shares);
    if (!isSame) this.#circle = this.#createCircle(servers, weights);
  }

  pick(key: string | Uint8Array | null, isEligible: Eligibility | null): Server | null {
    if (key === null || this.#circle === null) return this.#turns.pick(null, isEligible);
    const candidates = this.#candidates;
    const { places } = this.#circle;
    candidates.begin(isEligible);
    let at = this.#circle.find(hashKey(key));
    for (let walked = 0; walked < places.length && !candidates.isSpent; walked++) {
      const place = places[at]!;
      if (candidates.admits(place)) return this.#servers[place]!;
      at = at + 1 === places.length ? 0 : at + 1;
    }
    // Servers that are too light for a place in the circle are found like this, when no other is left.
    return candidates.isSpent ? null : this.#turns.pick(null, isEligible);
  }

  /** One that is out keeps the weight that it had, so that its place in the circle is there when it comes back. */
  #weightOf({ address, weight }: Server, share: number): number {
    if (share === 0) return this.#weights.get(address) ?? weight;
    return Math.max(1, Math.round(share / SHARES_PER_WEIGHT));
  }
}
