import type { PeerOptions } from "../upstream/peer.ts";
import { type RunSpec, routedSnapshot } from "./run-spec.ts";

/** How TLS is spoken with servers, by what the configuration says. */
export function peersTlsOf(spec: RunSpec): PeerOptions["tls"][] {
  const upstreams = routedSnapshot(spec)?.upstreams ?? [];
  const proxies = spec.snapshot?.proxies ?? [];
  return [
    ...upstreams.map(({ peer }) => peer.tls),
    ...proxies.map(({ upstreamTls }) => upstreamTls ?? false),
  ];
}
