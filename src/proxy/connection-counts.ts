import { Counter, type Counters } from "../base/counters.ts";
import type { ErrorCode, ProxyError } from "../base/errors.ts";
import type { UpstreamStream } from "../http/streams.ts";
import type { TlsDigest } from "../net/tls/digest.ts";

/** A stream to a server was had, over a connection that was made for it or one that was there. */
export function countConnection(counters: Counters, stream: UpstreamStream, isNew: boolean): void {
  counters.add(isNew ? Counter.upstreamConnects : Counter.upstreamReuses);
  if (!isNew || stream.tls === null) return;
  counters.add(Counter.upstreamHandshakes);
  if ((stream.tls as TlsDigest).resumed) counters.add(Counter.upstreamHandshakesResumed);
}

const OF_HANDSHAKES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "UPSTREAM_TLS_FAILED",
  "UPSTREAM_CERTIFICATE_UNTRUSTED",
  "UPSTREAM_CERTIFICATE_NAME",
  "UPSTREAM_CERTIFICATE_EXPIRED",
  "UPSTREAM_PROTOCOL",
]);

/** No stream was had. Of many that waited for one connection, each counts. */
export function countConnectFailure(counters: Counters, error: ProxyError): void {
  counters.add(Counter.upstreamConnectFailures);
  if (OF_HANDSHAKES.has(error.code)) counters.add(Counter.upstreamHandshakeFailures);
}
