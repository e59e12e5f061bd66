import type { Address } from "../../net/address.ts";

/**
 * One server of a group. It is an address itself, so `new HttpPeer(server)` and `new HttpPeer(server.address)` both reach
 * it.
 */
export type Server = Address & {
  /** The address as it was written. */
  readonly address: string;
  /** Its share of the requests, beside the weights of the others. */
  readonly weight: number;
  /** Its place in the group. */
  readonly index: number;
};

/** Which servers may be chosen this time. */
export type Eligibility = (server: Server) => boolean;

/** How a group spreads requests over its servers. Made once for a group, asked once for every request. */
export interface BalancingPolicy {
  /**
   * The next server, null when none is eligible.
   * @param isEligible null: all are
   * @param session what the request is known by, for policies that go by it
   */
  pick(isEligible: Eligibility | null, session: unknown): Server | null;
}
