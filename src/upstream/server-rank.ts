import type { BalancingPolicy } from "./balancers/balancing-policy.ts";
import { type GroupMemory, Out, ServerWord } from "./group-memory.ts";
import type { Server } from "./server.ts";

/** Servers of equal rank with the policy that spreads requests over them, and which of them are available. */
export class ServerRank {
  readonly servers: readonly Server[];
  readonly policy: BalancingPolicy;
  /** Servers that nothing speaks against. */
  available = 0;
  /** Whether requests may go here: there is an available server, or so few that all are used. */
  isUsable = false;
  /** What each server may be chosen for; 0: not at all. */
  readonly shares: number[];

  constructor(servers: readonly Server[], policy: BalancingPolicy) {
    this.servers = servers;
    this.policy = policy;
    this.shares = servers.map(() => 0);
  }

  /**
   * Looks anew which servers there are.
   * @param panic the share of available servers below which all are used that nobody ordered out
   */
  refresh(memory: GroupMemory, panic: number): void {
    let wanted = 0;
    let available = 0;
    for (const { slot } of this.servers) {
      const out = memory.of(slot, ServerWord.Out);
      if ((out & BY_ORDER) === 0) wanted++;
      if (out === 0) available++;
    }
    const kept = available < panic * wanted ? BY_ORDER : EVERYTHING;
    for (const [i, { slot }] of this.servers.entries()) {
      const out = memory.of(slot, ServerWord.Out);
      this.shares[i] = (out & kept) === 0 ? memory.of(slot, ServerWord.Share) : 0;
    }
    this.available = available;
    this.isUsable = this.shares.some((share) => share > 0);
    this.policy.update(this.servers, this.shares);
  }
}

/** What a server is out for however many are. */
export const BY_ORDER: number = Out.Disabled | Out.Draining | Out.Gone;
const EVERYTHING = ~0;

/**
 * Servers by rank, the first to be used first: by priority, and those of the proxy's own zone before the others.
 * @param zone null: it has none
 */
export function rankServers(servers: readonly Server[], zone: string | null): Map<string, Server[]> {
  const isFar = (server: Server): number => (zone === null || server.zone === zone ? 0 : 1);
  const sorted = servers.toSorted((a, b) => a.priority - b.priority || isFar(a) - isFar(b));
  return Map.groupBy(sorted, (server) => `${server.priority} ${isFar(server)}`);
}
