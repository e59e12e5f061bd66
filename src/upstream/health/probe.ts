import type { Address } from "../../net/address.ts";

/** What a probe found; `reason` is a line for people: `connect ECONNREFUSED`, `status 503`, `no answer within 2000 ms`. */
export type ProbeResult =
  | { readonly isHealthy: true }
  | { readonly isHealthy: false; readonly reason: string };

/** Asks a server once whether it is well. */
export interface Probe {
  /**
   * Never rejects; whatever goes wrong is a result.
   * @param signal aborted when the time is up or nobody wants to know any more: everything is closed then
   */
  run(address: Address, signal: AbortSignal): Promise<ProbeResult>;
}
