import type { Server } from "../server.ts";
import type { BalancingPolicy, Eligibility, PolicyMeans } from "./balancing-policy.ts";
import { Candidates } from "./candidates.ts";
import { Rotation } from "./rotation.ts";

/** In turn, each as often as its share says, over all threads. */
export class RoundRobin implements BalancingPolicy {
  #servers: readonly Server[] = [];
  readonly #candidates = new Candidates();
  readonly #rotation: Rotation;

  constructor(means: PolicyMeans) {
    this.#rotation = new Rotation(() => means.turn());
  }

  update(servers: readonly Server[], shares: readonly number[]): void {
    this.#servers = servers;
    this.#candidates.update(servers, shares);
    this.#rotation.update(shares);
  }

  pick(_key: string | Uint8Array | null, isEligible: Eligibility | null): Server | null {
    const place = this.#nextPlace(isEligible);
    return place < 0 ? null : this.#servers[place]!;
  }

  #nextPlace(isEligible: Eligibility | null): number {
    if (isEligible === null) return this.#rotation.next();
    this.#candidates.begin(isEligible);
    return this.#rotation.nextOf(this.#candidates);
  }
}
