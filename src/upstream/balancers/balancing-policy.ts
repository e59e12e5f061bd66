import type { Random } from "../../base/random.ts";
import type { Server } from "../server.ts";

/** Which servers may be chosen this time. */
export type Eligibility = (server: Server) => boolean;

/** What a policy may know of how servers are doing, over all threads. */
export interface ServerLoads {
  /** Requests that are on their way to the server or back. */
  requests(server: Server): number;
  /** Peak-sensitive moving average of the time to the first byte, milliseconds; 0: not known yet. */
  latency(server: Server): number;
}

/** What a policy is made with. */
export interface PolicyMeans {
  readonly loads: ServerLoads;
  readonly random: Random;
  /** 0, 1, 2 … over all threads; begins anew at 0 somewhere beyond two thousand million. */
  turn(): number;
}

/**
 * How a group spreads requests over servers of equal rank. Made once for them in each thread; told whenever one of them
 * comes, goes or gets another weight; asked once for every attempt, so that `pick` allocates nothing.
 */
export interface BalancingPolicy {
  /**
   * What there is to choose from, from now on.
   * @param servers all of the rank, available or not
   * @param shares by their order: hundredths of weights, whole numbers; 0: not to be chosen now
   */
  update(servers: readonly Server[], shares: readonly number[]): void;
  /**
   * The server for a request, null when none is eligible.
   * @param key what requests that belong together have in common; null: nothing. Only policies that hash look at it
   * @param isEligible null: all that have a share are
   */
  pick(key: string | Uint8Array | null, isEligible: Eligibility | null): Server | null;
}

/** What a share of a weight of 1 is. */
export const SHARES_PER_WEIGHT = 100;
