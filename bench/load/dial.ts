import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectSecure } from "node:tls";
import type { Protocol } from "../workloads.ts";
import { isSecure, serverName } from "./load.ts";

/**
 * Opens a connection for HTTP/1. TLS has the version and the key exchange that all proxies know: one that has newer
 * ones would otherwise be measured with more work than the others.
 */
export function dial(port: number, protocol: Protocol, session?: Buffer): Socket {
  const where = { port, host: "127.0.0.1" };
  if (!isSecure(protocol)) return connectPlain({ ...where, noDelay: true });
  const socket = connectSecure({
    ...where,
    servername: serverName,
    rejectUnauthorized: false,
    minVersion: "TLSv1.3",
    ecdhCurve: "X25519",
    ...(session === undefined ? {} : { session }),
  });
  return socket.setNoDelay();
}
