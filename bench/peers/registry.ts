import { caddy } from "./caddy.ts";
import { haproxy } from "./haproxy.ts";
import { nginx, nginxCache, nginxTuned } from "./nginx.ts";
import { nodeProxies } from "./node-proxies.ts";
import type { Peer } from "./peer.ts";
import { pingora } from "./pingora.ts";
import { sluice, sluiceCache, sluiceFilters } from "./sluice.ts";
import { streamPeers } from "./streams.ts";
import { varnish } from "./varnish.ts";

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
    sluiceCache(bin),
    ...(before === undefined ? [] : [sluiceCache(before, "sluice-cache-before")]),
    nginxCache,
    varnish,
    ...streamPeers(bin, before),
  ];
}
