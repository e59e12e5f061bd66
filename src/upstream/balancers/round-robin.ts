import type { BalancingPolicy, Eligibility, Server } from "./balancing-policy.ts";

/** In turn, each as often as its weight says. */
export class RoundRobin implements BalancingPolicy {
  readonly #schedule: readonly Server[];
  #at = 0;

  constructor(servers: readonly Server[]) {
    this.#schedule = toSchedule(servers);
  }

  pick(isEligible: Eligibility | null): Server | null {
    const { length } = this.#schedule;
    for (let looked = 0; looked < length; looked++) {
      const server = this.#schedule[this.#at]!;
      this.#at = this.#at + 1 === length ? 0 : this.#at + 1;
      if (isEligible === null || isEligible(server)) return server;
    }
    return null;
  }
}

/**
 * One whole turn, spread smoothly: weights 5, 1, 1 give a a b a c a a and not a a a a a b c. In every step each server
 * gains its weight, the richest one is taken and pays the sum.
 */
function toSchedule(servers: readonly Server[]): Server[] {
  const divisor = servers.reduce((common, { weight }) => gcd(weight, common), 0);
  const weights = servers.map(({ weight }) => weight / divisor);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const credits = servers.map(() => 0);
  return Array.from({ length: total }, () => {
    let richest = 0;
    for (let i = 0; i < servers.length; i++) {
      credits[i]! += weights[i]!;
      if (credits[i]! > credits[richest]!) richest = i;
    }
    credits[richest]! -= total;
    return servers[richest]!;
  });
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
