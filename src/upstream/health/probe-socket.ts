import { connect, isIP, type Socket } from "node:net";
import { checkServerIdentity, createSecureContext, connect as secureConnect } from "node:tls";
import { type Address, formatAddress } from "../../net/address.ts";
import type { ProbeTls } from "../group-settings.ts";

/** What stands for a server that has no host: one behind a Unix socket, or one on all of this machine's addresses. */
const LOCAL_HOST = "localhost";

/** How connections to servers are made. */
export interface SocketOpener {
  /** Starts to connect. */
  open(address: Address): Socket;
  /** The socket's event when the connection stands, and over TLS when the server has proved to be who it should be. */
  readonly ready: "connect" | "secureConnect";
}

export const PLAIN: SocketOpener = { open: (address) => connect(targetOf(address)), ready: "connect" };

/**
 * Connections with TLS or, when `tls` is null, without. What can be made once for all of them is made here.
 * @param protocols offered by ALPN, the best one first
 * @throws Error when the certificates to trust can't be read
 */
export function createOpener(tls: ProbeTls | null, protocols: readonly string[] = []): SocketOpener {
  if (tls === null) return PLAIN;
  const { serverName, verify, ca } = tls;
  const common = {
    secureContext: createSecureContext(ca === null ? {} : { ca }),
    ALPNProtocols: [...protocols],
    rejectUnauthorized: verify,
  };
  return { ready: "secureConnect", open };

  function open(address: Address): Socket {
    const name = serverName ?? hostOf(address);
    return secureConnect({
      ...targetOf(address),
      ...common,
      // An IP address is no name to ask for (RFC 6066 §3), but one to check.
      servername: isIP(name) === 0 ? name : "",
      checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
    });
  }
}

/** What a request calls the server (`Host`, `:authority`). */
export function authorityOf(address: Address): string {
  return address.kind === "unix" ? LOCAL_HOST : formatAddress({ ...address, host: hostOf(address) });
}

function hostOf(address: Address): string {
  return address.kind === "unix" || address.host === "" ? LOCAL_HOST : address.host;
}

function targetOf(address: Address): { path: string } | { host: string; port: number } {
  return address.kind === "unix" ? { path: address.path } : { host: hostOf(address), port: address.port };
}
