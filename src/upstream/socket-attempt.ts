import { connect, type Socket } from "node:net";
import { ProxyError } from "../base/errors.ts";
import { formatAddress } from "../net/address.ts";
import { toNodeOptions } from "../net/connect.ts";
import { securedSocket } from "../net/tls/secured-socket.ts";
import type { ClientHandshakeOwner, TlsClient } from "../net/tls/tls-client.ts";
import { connectError, handshakeError, setupError } from "./connect-errors.ts";
import { ConnectTunnel, type TunnelOwner } from "./connect-tunnel.ts";
import type { HttpPeer } from "./peer.ts";
import { hostToVerify, type Protocols } from "./peer-tls.ts";

/** Told how an attempt ended, once. */
export interface SocketCallback {
  /** The socket is the callee's, which listens to it at once. Nothing was read from it. */
  onSocket(socket: Socket): void;
  onSocketFailed(error: ProxyError): void;
}

/**
 * A connection in the making that takes more than one step. It has no time limit of its own.
 *
 *     TCP, to the server or the proxy ─▶ [CONNECT] ─▶ [preamble] ─▶ [TLS handshake] ─▶ socket
 */
export class SocketAttempt implements TunnelOwner, ClientHandshakeOwner {
  readonly #peer: HttpPeer;
  readonly #protocols: Protocols;
  /** Null once it was told: listeners of the socket refer to this for as long as it lives, and must not hold a request. */
  #callback: SocketCallback | null;
  readonly #preamble: Buffer | null;
  #tls: TlsClient | null = null;
  #raw: Socket | null = null;
  /** What is being waited for, as a line for people. */
  #step = "no connection";
  #isOver = false;

  /** @param preamble what the server gets first */
  constructor(
    peer: HttpPeer,
    protocols: Protocols,
    callback: SocketCallback,
    preamble: Buffer | null = null,
  ) {
    this.#preamble = preamble;
    this.#peer = peer;
    this.#protocols = protocols;
    this.#callback = callback;
    try {
      this.#tls = peer.tls?.clientFor(protocols) ?? null;
      this.#start();
    } catch (error) {
      // A certificate that OpenSSL can't read, say. Whoever asked isn't ready for an answer before it has the attempt.
      process.nextTick(() => this.#fail(setupError(error as Error)));
    }
  }

  /** Gives it up; nothing is heard of it any more. */
  cancel(): void {
    this.#isOver = true;
    this.#callback = null;
    this.#raw?.destroy();
  }

  /** Gives it up for want of time: the error to tell. */
  expire(): ProxyError {
    this.cancel();
    return new ProxyError("UPSTREAM_CONNECT_TIMEOUT", `${this.#step} in time`);
  }

  #start(): void {
    const { address, keepAlive, options, proxy } = this.#peer;
    const { localAddress } = options;
    const local = localAddress === undefined ? {} : { localAddress };
    const raw = connect(toNodeOptions(proxy?.address ?? address, { keepAlive, ...local }));
    this.#raw = raw;
    raw.on("error", this.#onError);
    raw.once("connect", () => {
      if (!this.#isOver) this.#attempt(() => (proxy === null ? this.#secure() : this.#openTunnel(raw)));
    });
  }

  readonly #onError = (error: Error): void => {
    const { proxy } = this.#peer;
    const failure = connectError(error, false);
    if (proxy !== null) failure.message += ` (the proxy ${formatAddress(proxy.address)})`;
    this.#fail(failure);
  };

  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(setupError(error as Error));
    }
  }

  #openTunnel(raw: Socket): void {
    const { proxy, address, speaks } = this.#peer;
    this.#step = "the proxy didn't answer";
    // Only who speaks HTTP/1 or TLS is known to wait for us.
    const mayComeFirst = this.#tls === null && (speaks !== "http1" || this.#protocols.length === 0);
    new ConnectTunnel(raw, proxy!, address, mayComeFirst, this);
  }

  onTunnel(): void {
    if (!this.#isOver) this.#attempt(() => this.#secure());
  }

  onTunnelFailed(error: ProxyError): void {
    this.#fail(error);
  }

  #secure(): void {
    const raw = this.#raw!;
    if (this.#preamble !== null) raw.write(this.#preamble);
    if (this.#tls === null) {
      this.#succeed(raw.off("error", this.#onError));
      return;
    }
    const { address } = this.#peer;
    this.#step = "the TLS handshake wasn't done";
    raw.off("error", this.#onError).on("error", ignore);
    this.#tls.connect(raw, hostToVerify(address), formatAddress(address), this);
  }

  onSecure(socket: Socket): void {
    const isHttp2 = securedSocket(socket)?.digest.alpn === "h2";
    if (this.#isOver) socket.destroy();
    else if (isHttp2 || this.#protocols.length !== 1 || this.#protocols[0] !== "h2") this.#succeed(socket);
    else {
      socket.on("error", ignore);
      this.#fail(new ProxyError("UPSTREAM_PROTOCOL", "HTTP/2 was not agreed on by ALPN"));
    }
  }

  onHandshakeFailed(error: Error): void {
    this.#fail(handshakeError(error));
  }

  #succeed(socket: Socket): void {
    const callback = this.#callback;
    this.#isOver = true;
    this.#callback = null;
    callback?.onSocket(socket);
  }

  #fail(error: ProxyError): void {
    if (this.#isOver) return;
    const callback = this.#callback;
    this.cancel();
    callback?.onSocketFailed(error);
  }
}

function ignore(): void {}
