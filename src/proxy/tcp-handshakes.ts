import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { Counter } from "../base/counters.ts";
import { SealedConnections } from "../chaos/sealed-connections.ts";
import type { ProxiedAddresses } from "../net/proxy-protocol.ts";
import { resetSocket } from "../net/reset-socket.ts";
import type { ClientHello } from "../net/tls/client-hello.ts";
import type { TlsDigest } from "../net/tls/digest.ts";
import type { TlsListenerSettings } from "../net/tls/listener-settings.ts";
import { securedSocket } from "../net/tls/secured-socket.ts";
import type { TlsFailure } from "../net/tls/tls-acceptor.ts";
import type { ServiceContext } from "./service.ts";
import type { ConnectionState, StreamProxySettings } from "./stream-proxy.ts";
import { clientOf, type TcpRelays } from "./tcp-relays.ts";
import { openTerminator } from "./tls/open-terminator.ts";
import type { TlsTerminator, TlsTerminatorListener } from "./tls/tls-terminator.ts";
import type { UpstreamRotation } from "./upstream-rotation.ts";

/** A TCP proxy whose clients speak TLS. */
export interface TlsProxySettings
  extends Pick<StreamProxySettings, "name" | "acceptProxyProtocol" | "upstreams"> {
  readonly tls: TlsListenerSettings;
}

/** What is known of a connection until its handshake is done. */
interface Pending {
  readonly id: string;
  readonly client: string;
  readonly since: number;
  /** Milliseconds to wait before a server is connected to. */
  readonly delay: number;
}

/**
 * The connections of a TCP proxy with TLS until it is known where they lead. Then each is one of the relays.
 *
 *     accept ──▶ tls-terminator ──┬─ opened ────▶ relays: its plaintext, to the proxy's servers
 *                                 ├─ passed on ─▶ relays: its bytes as they are, to the servers of its name
 *                                 └─ refused
 *
 * Without certificates nothing is opened, and the proxy's servers are for all names that have none of their own.
 */
export class TcpHandshakes implements TlsTerminatorListener {
  readonly #settings: TlsProxySettings;
  readonly #relays: TcpRelays;
  readonly #servers: () => UpstreamRotation | null;
  readonly #pending = new Map<Socket, Pending>();
  readonly #sealed: SealedConnections | null;
  #terminator: TlsTerminator | null = null;
  #onEmpty: (() => void) | null = null;

  /** @param servers where connections lead that were opened */
  constructor(settings: TlsProxySettings, relays: TcpRelays, servers: () => UpstreamRotation | null) {
    this.#settings = settings;
    this.#relays = relays;
    this.#servers = servers;
    const { faults } = relays;
    this.#sealed = faults === null ? null : new SealedConnections(faults, (socket) => this.#cut(socket));
  }

  /** Rejects with a `CertificateError` when a file can't be used. */
  async start(context: ServiceContext): Promise<void> {
    const { name, tls: settings, acceptProxyProtocol: expectsProxyHeader, upstreams } = this.#settings;
    const isOpened = settings.certificates.length > 0;
    const others = isOpened || upstreams.length === 0 ? null : upstreams;
    const options = { settings, alpn: settings.alpn ?? [], expectsProxyHeader, others };
    this.#terminator = await openTerminator(context, name, options, this);
  }

  /** Connections that are under way. */
  get size(): number {
    return this.#pending.size;
  }

  /** Takes a socket that was accepted with `pauseOnConnect`. */
  accept(socket: Socket, delay: number): void {
    const id = this.#relays.nextId();
    this.#pending.set(socket, { id, client: clientOf(socket), since: performance.now(), delay });
    this.#relays.counters.add(Counter.connectionsOpen);
    this.#sealed?.add(socket);
    this.#terminator!.accept(socket);
  }

  // ── how they end ───────────────────────────────────────────────────────────────────────────────────────────────

  onSecure(socket: TLSSocket, { serverName }: TlsDigest, proxied: ProxiedAddresses | null): void {
    const pending = this.#take(securedSocket(socket)!.carrier);
    const servers = this.#servers();
    if (pending === null || servers === null) socket.destroy();
    else {
      const { id, delay } = pending;
      const start = { servers, delay, readsHeader: false, proxied, early: null, serverName };
      this.#relays.open(socket, start, id);
    }
    this.#noteEnd();
  }

  onPassed(
    socket: Socket,
    hello: ClientHello,
    upstreams: readonly string[],
    bytes: Buffer,
    proxied: ProxiedAddresses | null,
  ): void {
    const pending = this.#take(socket);
    if (pending === null) socket.destroy();
    else this.#relays.pass(socket, hello, upstreams, bytes, proxied, pending);
    this.#noteEnd();
  }

  onPlainHttp(socket: Socket): void {
    this.#refuse(socket, "TLS: the client speaks HTTP without it");
    socket.destroy();
  }

  onFailed(failure: TlsFailure, socket: Socket): void {
    const { counters } = this.#relays;
    if (failure.kind !== "timeout") {
      counters.add(Counter.downstreamErrors);
      this.#refuse(socket, describe(failure));
      return;
    }
    counters.add(Counter.timeouts);
    const pending = this.#take(socket);
    const detail = `no TLS handshake within ${this.#settings.tls.handshakeTimeout} ms`;
    if (pending !== null) this.#relays.report("timeout", pending.id, pending.client, detail);
    this.#noteEnd();
  }

  #refuse(socket: Socket, reason: string): void {
    const pending = this.#take(socket);
    this.#relays.counters.add(Counter.connectionsRefused);
    if (pending !== null) this.#relays.report("refused", pending.id, pending.client, reason);
    this.#noteEnd();
  }

  #take(socket: Socket): Pending | null {
    const pending = this.#pending.get(socket) ?? null;
    if (this.#pending.delete(socket)) this.#relays.counters.add(Counter.connectionsOpen, -1);
    this.#sealed?.delete(socket);
    return pending;
  }

  #noteEnd(): void {
    if (this.#pending.size === 0) this.#onEmpty?.();
  }

  // ── steering ───────────────────────────────────────────────────────────────────────────────────────────────────

  connections(): ConnectionState[] {
    const nothing = {
      upstream: "",
      bytesUp: 0,
      bytesDown: 0,
      toxics: [],
      tls: { serverName: "", version: "" },
    };
    const now = performance.now();
    return [...this.#pending.values()].map(({ id, client, since }) => ({
      ...{ id, client, age: now - since },
      ...nothing,
    }));
  }

  /** Ends connections with a reset: the one of this id, or all. */
  cut(id?: string): void {
    for (const [socket, pending] of [...this.#pending]) {
      if (id === undefined || pending.id === id) this.#cut(socket);
    }
  }

  #cut(socket: Socket): void {
    const pending = this.#take(socket);
    if (pending === null) return;
    this.#relays.report("reset", pending.id, pending.client, "cut");
    resetSocket(socket);
    this.#noteEnd();
  }

  /** Waits until each has become a relay, or has ended. */
  drain(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    this.#noteEnd();
    return promise;
  }

  destroy(): void {
    this.#sealed?.close();
    this.#terminator?.destroy();
    for (const socket of [...this.#pending.keys()]) this.#take(socket);
    this.#noteEnd();
  }
}

function describe({ kind, reason, serverName, cause }: TlsFailure): string {
  if (kind === "proxy-header") return `PROXY protocol: ${reason}`;
  if (kind === "unknown-name")
    return `TLS: nobody serves ${serverName === "" ? "a client without a name" : serverName}`;
  const text = reasonOf(cause) ?? reason;
  const inside = text.charAt(0).toLowerCase() + text.slice(1);
  return serverName === "" ? `TLS: ${inside}` : `TLS for ${serverName}: ${inside}`;
}

/** OpenSSL's words without its functions and source files; undefined for errors of others. */
function reasonOf(error: Error | undefined): string | undefined {
  const { reason } = (error ?? {}) as { readonly reason?: unknown };
  return typeof reason === "string" ? reason : undefined;
}
