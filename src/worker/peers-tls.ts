import type { HealthCheckSettings } from "../upstream/group-settings.ts";
import type { PeerOptions } from "../upstream/peer.ts";
import { type RunSpec, routedSnapshot } from "./run-spec.ts";

/** How TLS is spoken with servers, by what the configuration says. */
export function peersTlsOf(spec: RunSpec): PeerOptions["tls"][] {
  const upstreams = routedSnapshot(spec)?.upstreams ?? [];
  const proxies = spec.snapshot?.proxies ?? [];
  return [
    ...upstreams.map(({ peer }) => peer.tls),
    ...upstreams.flatMap(({ checks }) => checks.map(tlsOf)),
    ...proxies.map(({ upstreamTls }) => upstreamTls ?? false),
  ];
}

function tlsOf(check: HealthCheckSettings): PeerOptions["tls"] {
  return (check.kind !== "tcp" && check.tls) || false;
}
