import { type Address, formatAddress } from "../../net/address.ts";
import { HttpPeer, type PeerOptions } from "../peer.ts";
import { type PeerTlsOptions, type Protocols, UNNAMED } from "../peer-tls.ts";
import { SocketAttempt, type SocketCallback } from "../socket-attempt.ts";

/** What stands for a server that has no host: one behind a Unix socket, or one on all of this machine's addresses. */
const LOCAL_HOST = "localhost";

/** What probes have in common with the connections that requests go over. */
export interface ProbeConnection {
  /** Null: none. */
  readonly tls: PeerTlsOptions | null;
  readonly proxy?: string;
  readonly localAddress?: string;
}

/** How connections to servers are made. */
export class SocketOpener {
  readonly #options: PeerOptions;
  readonly #protocols: Protocols;

  /**
   * @param protocols offered by ALPN, the best one first
   * @throws Error when OpenSSL refuses a certificate, or the proxy can't be read
   */
  constructor({ tls, proxy, localAddress }: ProbeConnection, protocols: Protocols = UNNAMED) {
    this.#protocols = protocols;
    this.#options = {
      // A session that is taken up says nothing of the certificate that the server has now.
      ...(tls === null ? {} : { tls: { ...tls, resumes: false } }),
      ...(proxy === undefined ? {} : { proxy }),
      ...(localAddress === undefined ? {} : { localAddress }),
    };
    // What is wrong with them is to be known at once.
    new HttpPeer(LOCAL, this.#options).tls?.clientFor(protocols);
  }

  /** Starts to connect; over TLS it is done when the server has proved to be who it should be. */
  open(address: Address, callback: SocketCallback): SocketAttempt {
    return new SocketAttempt(new HttpPeer(address, this.#options), this.#protocols, callback);
  }
}

const LOCAL: Address = { kind: "tcp", host: LOCAL_HOST, port: 1 };

/** What a request calls the server (`Host`, `:authority`). */
export function authorityOf(address: Address): string {
  return address.kind === "unix" ? LOCAL_HOST : formatAddress({ ...address, host: hostOf(address) });
}

function hostOf(address: Address): string {
  return address.kind === "unix" || address.host === "" ? LOCAL_HOST : address.host;
}
