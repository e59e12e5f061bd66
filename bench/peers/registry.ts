import { caddy } from "./caddy.ts";
import { haproxy } from "./haproxy.ts";
import { nginx, nginxTuned } from "./nginx.ts";
import { nodeProxies } from "./node-proxies.ts";
import type { Peer } from "./peer.ts";
import { pingora } from "./pingora.ts";
import { sluice, sluiceFilters } from "./sluice.ts";
import { streamPeers } from "./streams.ts";

/**
 * All peers, in the order in which they are measured.
 *
 * @param bin the sluice to measure
 * @param before another one, to compare it with, as the peer `sluice-before`
 */
export function allPeers(bin: string, before?: string): Peer[] {
  return [
    sluice(bin),
    ...(before === undefined ? [] : [sluice(before, "sluice-before")]),
    sluiceFilters(bin),
    nginx,
    nginxTuned,
    haproxy,
    pingora,
    caddy,
    ...nodeProxies,
    ...streamPeers(bin, before),
  ];
}
