import { apache, caddy, haproxy, nginx, squid, trafficServer, varnish } from "./peers.ts";
import type { ProxyKind } from "./proxy-kind.ts";
import { sluice } from "./sluice.ts";

/** All of them, in the order in which they are run. */
export const proxyKinds: readonly ProxyKind[] = [
  sluice,
  nginx,
  squid,
  trafficServer,
  apache,
  varnish,
  caddy,
  haproxy,
];
