import type { Socket } from "node:net";
import type { TlsDigest } from "./digest.ts";

/** What lies beneath a TLS socket whose handshake is done, and what is known of it. */
export interface SecuredSocket {
  /** The socket that the encrypted bytes go through. */
  readonly carrier: Socket;
  readonly digest: TlsDigest;
}

/** On the socket itself: a weak map with an entry a connection is work for every garbage collection. */
const SECURED = Symbol("secured");

type MarkedSocket = Socket & { [SECURED]?: SecuredSocket };

/** Notes what `socket` is, for the transport over it. */
export function noteSecured(socket: Socket, what: SecuredSocket): void {
  (socket as MarkedSocket)[SECURED] = what;
}

/** Null for a socket without TLS. */
export function securedSocket(socket: Socket): SecuredSocket | null {
  return (socket as MarkedSocket)[SECURED] ?? null;
}
