import type { Random } from "../../base/random.ts";
import type { Server } from "../server.ts";
import type { BalancingPolicy, Eligibility, PolicyMeans, ServerLoads } from "./balancing-policy.ts";
import { WeightedDraw } from "./weighted-draw.ts";

/** Milliseconds that stand for a latency which isn't known while requests are under way: worse than any that is. */
const UNKNOWN_LATENCY = 1e6;

/**
 * The better one of two that are drawn by chance, each as often as its share says: that with the lower latency, times the requests
 * that it would have then, for its share. Choosing the best of all would send every thread and proxy to the same server at
 * once; of two it does nearly as well without that.
 *
 * A server whose latency isn't known is the best as long as it has no request, and the worst from then on: so each that is new gets
 * a request at once, but one that never answers gets no second.
 */
export class PeakEwma implements BalancingPolicy {
  #servers: readonly Server[] = [];
  #shares: readonly number[] = [];
  readonly #loads: ServerLoads;
  readonly #random: Random;
  readonly #draw: WeightedDraw;

  constructor(means: PolicyMeans) {
    this.#loads = means.loads;
    this.#random = means.random;
    this.#draw = new WeightedDraw(means.random);
  }

  update(servers: readonly Server[], shares: readonly number[]): void {
    this.#servers = servers;
    this.#shares = shares;
    this.#draw.update(shares);
  }

  pick(_key: string | Uint8Array | null, isEligible: Eligibility | null): Server | null {
    if (this.#draw.size === 0) return null;
    const first = this.#draw.draw();
    const second = this.#draw.drawOther(first);
    if (isEligible === null) return this.#servers[this.#better(first, second)]!;
    const areEligible = isEligible(this.#servers[first]!) && isEligible(this.#servers[second]!);
    return areEligible ? this.#servers[this.#better(first, second)]! : this.#best(isEligible);
  }

  #better(first: number, second: number): number {
    return this.#cost(second) < this.#cost(first) ? second : first;
  }

  /** Some are left out: because they were tried before, or because they are full. Then each of the others counts. */
  #best(isEligible: Eligibility): Server | null {
    let best: Server | null = null;
    let least = Number.POSITIVE_INFINITY;
    let equalShares = 0;
    for (let place = 0; place < this.#servers.length; place++) {
      const share = this.#shares[place]!;
      const server = this.#servers[place]!;
      if (share === 0 || !isEligible(server)) continue;
      const cost = this.#cost(place);
      if (cost > least) continue;
      // Equal ones draw lots: each replaces the one before with the probability of its share in all so far.
      equalShares = cost < least ? share : equalShares + share;
      least = cost;
      if (this.#random.next() * equalShares < share) best = server;
    }
    return best;
  }

  #cost(place: number): number {
    const server = this.#servers[place]!;
    const requests = this.#loads.requests(server);
    const latency = this.#loads.latency(server);
    if (latency === 0 && requests === 0) return 0;
    return ((latency === 0 ? UNKNOWN_LATENCY : latency) * (requests + 1)) / this.#shares[place]!;
  }
}
