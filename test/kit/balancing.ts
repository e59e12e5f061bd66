import { type Random, seededRandom } from "../../src/base/random.ts";
import {
  type PolicyMeans,
  type ServerLoads,
  SHARES_PER_WEIGHT,
} from "../../src/upstream/balancers/balancing-policy.ts";
import { type Server, toServer } from "../../src/upstream/server.ts";

/** Servers with these weights at 10.0.0.1:80, 10.0.0.2:80 ... */
export function serversOf(...weights: readonly number[]): Server[] {
  return serversAt(
    weights.map((_, index) => `10.0.${index >> 8}.${(index & 0xff) + 1}:80`),
    weights,
  );
}

/** Servers at these addresses. */
export function serversAt(addresses: readonly string[], weights?: readonly number[]): Server[] {
  return addresses.map((address, slot) =>
    toServer({ address, weight: weights?.[slot] ?? 1, priority: 0, zone: null, slot }, slot, null),
  );
}

/** The shares of servers that are all well. */
export function fullShares(servers: readonly Server[]): number[] {
  return servers.map(({ weight }) => weight * SHARES_PER_WEIGHT);
}

/** Loads that a test sets. */
export class FakeLoads implements ServerLoads {
  readonly underWay: Map<Server, number> = new Map();
  readonly latencies: Map<Server, number> = new Map();

  requests(server: Server): number {
    return this.underWay.get(server) ?? 0;
  }

  latency(server: Server): number {
    return this.latencies.get(server) ?? 0;
  }
}

/** Means of their own, with turns from 0. */
export function meansOf(
  loads: ServerLoads = new FakeLoads(),
  random: Random = seededRandom("policy"),
): PolicyMeans {
  let turns = 0;
  return { loads, random, turn: () => turns++ };
}

/** How often each server is chosen, in their order. */
export function tally(
  servers: readonly Server[],
  picks: number,
  pick: (i: number) => Server | null,
): number[] {
  const counts = servers.map(() => 0);
  for (let i = 0; i < picks; i++) {
    const place = servers.indexOf(pick(i)!);
    counts[place]! += 1;
  }
  return counts;
}
