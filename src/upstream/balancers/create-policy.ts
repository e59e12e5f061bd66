import type { BalancingPolicyName } from "../group-settings.ts";
import type { BalancingPolicy, PolicyMeans } from "./balancing-policy.ts";
import { HashingPolicy } from "./hashing-policy.ts";
import { KetamaRing } from "./ketama.ts";
import { LeastConnections } from "./least-connections.ts";
import { MaglevTable } from "./maglev.ts";
import { PeakEwma } from "./peak-ewma.ts";
import { RandomChoice } from "./random.ts";
import { RoundRobin } from "./round-robin.ts";

interface Kind {
  readonly create: (means: PolicyMeans) => BalancingPolicy;
  readonly usesSlowStart: boolean;
}

const KINDS: Readonly<Record<BalancingPolicyName, Kind>> = {
  round_robin: { create: (means) => new RoundRobin(means), usesSlowStart: true },
  random: { create: (means) => new RandomChoice(means), usesSlowStart: true },
  least_connections: { create: (means) => new LeastConnections(means), usesSlowStart: true },
  peak_ewma: { create: (means) => new PeakEwma(means), usesSlowStart: true },
  ketama: {
    create: (means) => new HashingPolicy(means, (servers, weights) => new KetamaRing(servers, weights)),
    usesSlowStart: false,
  },
  maglev: {
    create: (means) => new HashingPolicy(means, (servers, weights) => new MaglevTable(servers, weights)),
    usesSlowStart: false,
  },
};

export function createPolicy(name: BalancingPolicyName, means: PolicyMeans): BalancingPolicy {
  return KINDS[name].create(means);
}

/** Whether a server that comes back may get its share little by little. With those that hash, every step would move keys. */
export function usesSlowStart(name: BalancingPolicyName): boolean {
  return KINDS[name].usesSlowStart;
}
