import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Faults } from "../../chaos/faults.ts";
import { SealedConnections } from "../../chaos/sealed-connections.ts";
import type { RequestHead } from "../../http/heads.ts";
import { resetSocket } from "../../net/reset-socket.ts";
import type { CertificateCallback } from "../../net/tls/certificate-store.ts";
import type { ClientHello } from "../../net/tls/client-hello.ts";
import type { TlsDigest } from "../../net/tls/digest.ts";
import type { TlsListenerSettings } from "../../net/tls/listener-settings.ts";
import { securedSocket } from "../../net/tls/secured-socket.ts";
import { toServerName } from "../../net/tls/server-name.ts";
import type { TlsFailure } from "../../net/tls/tls-acceptor.ts";
import { HttpProxy } from "../http-proxy.ts";
import type { ServiceContext } from "../service.ts";
import type { ClientInfo } from "../session.ts";
import { STREAM_DEFAULTS } from "../stream-proxy.ts";
import { TcpRelays } from "../tcp-relays.ts";
import { openTerminator } from "./open-terminator.ts";
import { MISDIRECTED, PLAIN_HTTP } from "./standing-answers.ts";
import type { TlsTerminator, TlsTerminatorListener } from "./tls-terminator.ts";

export interface HttpHandshakesOptions {
  /** The service's. */
  readonly name: string;
  readonly settings: TlsListenerSettings;
  /** Protocols to agree on, the best first. */
  readonly alpn: readonly string[];
  readonly callback: CertificateCallback | null;
  /** What is done to connections that are in their handshake, or passed on; null for nothing, ever. */
  readonly faults: Faults | null;
  /** Of those that are passed on unopened; 0: no limit. */
  readonly maxConnectionsPerClient: number;
}

/** Has the connections of a listener, before their handshake and after it. */
export interface HandshakeClient {
  /** The handshake is done. */
  onSecure(socket: TLSSocket, digest: TlsDigest): void;
  /** The client speaks HTTP without TLS: it gets an answer, and that is all. `bytes` came of it already. */
  onPlainHttp(socket: Socket, bytes: Buffer): void;
  /**
   * The connection isn't this one's any more: its handshake failed, or it is passed on.
   * @param failure why it failed; null when that isn't the client's concern
   */
  onGone(socket: Socket, failure: TlsFailure | null): void;
}

/**
 * The handshakes of an HTTP service in one thread, on whatever listener of it: leads each connection to who answers on it.
 *
 *     accept ──▶ tls-terminator ──┬─▶ onSecure      HTTP/2 or HTTP/1
 *                                 ├─▶ onPlainHttp   a redirect, or 400
 *                                 ├─▶ tcp-relays    passed on unopened
 *                                 └─▶ closed
 */
export class HttpHandshakes implements TlsTerminatorListener {
  readonly #options: HttpHandshakesOptions;
  readonly #clients = new Map<Socket, HandshakeClient>();
  readonly #hasPassthrough: boolean;
  /** Of those that it resets, the failure of their handshake tells. */
  readonly #sealed: SealedConnections | null;
  #relays: TcpRelays | null = null;
  #terminator: TlsTerminator | null = null;
  #plainHttp: HttpProxy<undefined> | null = null;
  #misdirected: HttpProxy<undefined> | null = null;

  constructor(options: HttpHandshakesOptions) {
    this.#options = options;
    this.#hasPassthrough = options.settings.passthrough.length > 0;
    const { faults } = options;
    this.#sealed = faults === null ? null : new SealedConnections(faults, (socket) => resetSocket(socket));
  }

  /** Rejects with a `CertificateError` when a file can't be used, and with what OpenSSL says when it refuses something. */
  async start(context: ServiceContext): Promise<void> {
    const { name, settings, alpn, callback, faults, maxConnectionsPerClient } = this.#options;
    this.setContext(context);
    if (this.#hasPassthrough) {
      const relayed = { ...STREAM_DEFAULTS.tcp, name, maxConnectionsPerClient };
      this.#relays = new TcpRelays(relayed, { faults });
      this.#relays.start(context);
    }
    this.#terminator = await openTerminator(context, name, { settings, alpn, callback }, this);
  }

  /** What becomes of answers that are given here. */
  setContext({ counters, observer, reporter }: ServiceContext): void {
    const { plainHttp } = this.#options.settings;
    this.#plainHttp = new HttpProxy(PLAIN_HTTP[plainHttp], { counters, observer, reporter });
    this.#misdirected = new HttpProxy(MISDIRECTED, { counters, observer, reporter });
  }

  /** Connections that were passed on. */
  get passed(): number {
    return this.#relays === null ? 0 : this.#relays.size;
  }

  /** Takes a socket that was accepted with `pauseOnConnect`; `client` hears once what became of it. */
  accept(socket: Socket, client: HandshakeClient): void {
    this.#clients.set(socket, client);
    this.#sealed?.add(socket);
    this.#terminator!.accept(socket);
  }

  /**
   * Who answers a request instead of the service: whoever sends it must be told to do so in another way.
   * @returns null for nobody
   */
  insteadFor(head: RequestHead, client: ClientInfo): HttpProxy<undefined> | null {
    if (client.scheme === "http") return this.#plainHttp;
    if (!this.#hasPassthrough) return null;
    const name = toServerName(hostOf(head.host));
    return name !== null && this.#terminator!.passes(name) ? this.#misdirected : null;
  }

  // ── how they end ───────────────────────────────────────────────────────────────────────────────────────────────

  onSecure(socket: TLSSocket, digest: TlsDigest): void {
    this.#take(securedSocket(socket)!.carrier).onSecure(socket, digest);
  }

  onPlainHttp(socket: Socket, bytes: Buffer): void {
    this.#take(socket).onPlainHttp(socket, bytes);
  }

  onPassed(socket: Socket, hello: ClientHello, upstreams: readonly string[], bytes: Buffer): void {
    this.#take(socket).onGone(socket, null);
    this.#relays!.pass(socket, hello, upstreams, bytes, null);
  }

  onFailed(failure: TlsFailure, socket: Socket): void {
    this.#take(socket).onGone(socket, failure);
  }

  #take(socket: Socket): HandshakeClient {
    const client = this.#clients.get(socket)!;
    this.#clients.delete(socket);
    this.#sealed?.delete(socket);
    return client;
  }

  /** Waits for the end of what was passed on; for handshakes those wait who gave them. */
  async drain(): Promise<void> {
    await this.#relays?.drain();
  }

  /** Closes what isn't through yet, and what was passed on. */
  destroy(): void {
    this.#terminator?.destroy();
    this.#sealed?.close();
    for (const socket of [...this.#clients.keys()]) this.#take(socket).onGone(socket, null);
    this.#relays?.destroy();
  }
}

/** Without the port, and without the dot that may end a name. */
function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(":");
  const host = colon === -1 ? authority : authority.slice(0, colon);
  return host.endsWith(".") ? host.slice(0, -1) : host;
}
