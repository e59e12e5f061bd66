import type { Socket } from "node:net";
import type { TlsDigest } from "./digest.ts";

/** What lies beneath a TLS socket whose handshake is done, and what is known of it. */
export interface SecuredSocket {
  /** The socket that the encrypted bytes go through. */
  readonly carrier: Socket;
  readonly digest: TlsDigest;
}

const secured = new WeakMap<Socket, SecuredSocket>();

/** Notes what `socket` is, for the transport over it. */
export function noteSecured(socket: Socket, what: SecuredSocket): void {
  secured.set(socket, what);
}

/** Null for a socket without TLS. */
export function securedSocket(socket: Socket): SecuredSocket | null {
  return secured.get(socket) ?? null;
}
