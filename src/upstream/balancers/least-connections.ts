import type { Server } from "../server.ts";
import type { BalancingPolicy, Eligibility, PolicyMeans, ServerLoads } from "./balancing-policy.ts";
import type { Gate } from "./candidates.ts";
import { Rotation } from "./rotation.ts";

/**
 * The fewest requests under way for its share, over all threads. Those that are equal take turns, each as often as its share
 * says: so an idle group is used like in round robin.
 */
export class LeastConnections implements BalancingPolicy {
  #servers: readonly Server[] = [];
  #shares: readonly number[] = [];
  readonly #loads: ServerLoads;
  readonly #rotation: Rotation;
  readonly #ties = new Ties();

  constructor(means: PolicyMeans) {
    this.#loads = means.loads;
    this.#rotation = new Rotation(() => means.turn());
  }

  update(servers: readonly Server[], shares: readonly number[]): void {
    this.#servers = servers;
    this.#shares = shares;
    this.#rotation.update(shares);
    this.#ties.loads = new Float64Array(servers.length);
  }

  pick(_key: string | Uint8Array | null, isEligible: Eligibility | null): Server | null {
    const servers = this.#servers;
    const { loads } = this.#ties;
    let least = Number.POSITIVE_INFINITY;
    let place = -1;
    let equal = 0;
    for (let at = 0; at < servers.length; at++) {
      const share = this.#shares[at]!;
      const server = servers[at]!;
      const isOpen = share !== 0 && (isEligible === null || isEligible(server));
      const load = isOpen ? this.#loads.requests(server) / share : Number.POSITIVE_INFINITY;
      loads[at] = load;
      if (!isOpen || load > least) continue;
      equal = load < least ? 1 : equal + 1;
      least = load;
      place = at;
    }
    if (equal > 1) {
      this.#ties.least = least;
      place = this.#rotation.nextOf(this.#ties);
    }
    return place < 0 ? null : servers[place]!;
  }
}

/** The places with the least load of one choice. What they had is written down, for other threads change it meanwhile. */
class Ties implements Gate {
  readonly isSpent = false;
  least = 0;
  loads = new Float64Array(0);

  admits(place: number): boolean {
    return this.loads[place] === this.least;
  }
}
