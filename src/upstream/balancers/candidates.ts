import type { Server } from "../server.ts";
import type { Eligibility } from "./balancing-policy.ts";

/** Says of places in a policy's list of servers whether they will do. */
export interface Gate {
  admits(place: number): boolean;
  /** None that is asked for from now on will do. */
  readonly isSpent: boolean;
}

/**
 * Who may be chosen this time. A server is asked about once in a choice, however often a walk comes by it: predicates may be
 * slow, and when every server is at its limit walks around whole rings and tables must end soon.
 */
export class Candidates implements Gate {
  #servers: readonly Server[] = [];
  #shares: readonly number[] = [];
  #isEligible: Eligibility | null = null;
  /** How many have a share. */
  #open = 0;
  /** How many of those this choice hasn't asked about. */
  #left = 0;
  #choice = 0;
  /** The choice that asked last, by place. */
  #asked = new Uint32Array(0);

  update(servers: readonly Server[], shares: readonly number[]): void {
    this.#servers = servers;
    this.#shares = shares;
    this.#open = shares.reduce((sum, share) => sum + (share > 0 ? 1 : 0), 0);
    this.#asked = new Uint32Array(servers.length);
    this.#choice = 0;
  }

  begin(isEligible: Eligibility | null): void {
    this.#isEligible = isEligible;
    this.#left = this.#open;
    if (this.#choice === 0xffff_ffff) {
      this.#asked.fill(0);
      this.#choice = 0;
    }
    this.#choice++;
  }

  get isSpent(): boolean {
    return this.#left === 0;
  }

  /** Asked again about the same place it says no: had it said yes before, the choice would be over. */
  admits(place: number): boolean {
    if (this.#shares[place] === 0 || this.#asked[place] === this.#choice) return false;
    this.#asked[place] = this.#choice;
    this.#left--;
    return this.#isEligible === null || this.#isEligible(this.#servers[place]!);
  }
}
