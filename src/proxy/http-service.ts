import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { Counter } from "../base/counters.ts";
import { notPromised } from "../base/errors.ts";
import { TrafficCount, type TrafficRow } from "../base/traffic/traffic-row.ts";
import type { Faults } from "../chaos/faults.ts";
import { layFaults } from "../chaos/faulty-wire.ts";
import type { RequestHead } from "../http/heads.ts";
import type { Http1Application, RequestSink } from "../http/server-application.ts";
import type { DownstreamStream } from "../http/streams.ts";
import { ServerConnection } from "../http1/server-connection.ts";
import { ServerOptions, type ServerSettings } from "../http1/server-options.ts";
import type { FloodKind } from "../http2/flood-guard.ts";
import { startsWithPreface } from "../http2/preface.ts";
import { Http2ServerConnection } from "../http2/server-connection.ts";
import { Http2ServerOptions, type Http2Settings } from "../http2/server-options.ts";
import { plainAddress } from "../net/address.ts";
import { resetSocket } from "../net/reset-socket.ts";
import type { TlsDigest } from "../net/tls/digest.ts";
import type { TlsFailure } from "../net/tls/tls-acceptor.ts";
import type { Transport } from "../net/transport.ts";
import { CachingExchange } from "./caching/caching-exchange.ts";
import { ClientCounts } from "./client-counts.ts";
import { Exchange } from "./exchange.ts";
import { sinkOf } from "./grpc/web-entrance.ts";
import { HttpClientInfo } from "./http-client-info.ts";
import type { HttpProxy } from "./http-proxy.ts";
import type { HandshakeClient, HttpHandshakes } from "./tls/http-handshakes.ts";

export interface HttpServiceOptions {
  /** Limits and timeouts of clients' connections. */
  readonly settings?: Partial<ServerSettings>;
  /** How clients that begin in HTTP/2 are answered in it, within the same limits; false: they aren't. Default true. */
  readonly http2?: boolean | Partial<Http2Settings>;
  /** Open connections; more are closed as they come. 0: no limit. Holds for each thread. */
  readonly maxConnections?: number;
  /** How many are open elsewhere that count too. */
  readonly besides?: () => number;
  /** Open connections from one client address. 0: no limit. Holds for each thread. */
  readonly maxConnectionsPerClient?: number;
  /** By which those are counted that began with earlier settings; null: there are none. */
  readonly clientsBefore?: ClientCounts | null;
  /** Decides before a byte is read whether a client may connect. */
  readonly connectionFilter?: ((address: string) => boolean) | null;
  /** Faults that are laid on clients' connections; null for none. */
  readonly faults?: Faults | null;
  /** What connections go through first where clients speak TLS; null where they don't. */
  readonly handshakes?: HttpHandshakes | null;
  /** What counts the traffic of the listener; null: nothing does. */
  readonly traffic?: TrafficRow | null;
}

/** Serves a proxy program on the connections of one listener, in one thread. */
export class HttpService<C> implements Http1Application<ClientConnection>, HandshakeClient {
  draining = false;
  isPatient = false;
  /** What answers requests that begin from now on. */
  proxy: HttpProxy<C>;
  readonly #options: HttpServiceOptions;
  readonly #server: ServerOptions;
  /** Null when clients may not speak HTTP/2. */
  readonly #http2: Http2ServerOptions | null;
  readonly #connections = new Set<ClientConnection>();
  /** Connections of which it isn't known yet what they speak. */
  #underWay = 0;
  /** What clients have open here, and with earlier settings. */
  readonly clients: ClientCounts;
  readonly #listener: string;
  readonly #faults: Faults | null;
  readonly #handshakes: HttpHandshakes | null;
  readonly #traffic: TrafficRow | null;
  readonly #leaveFaults: (() => void) | undefined;
  /** Those who wait for the last connection to be gone. */
  readonly #onEmpty: (() => void)[] = [];

  constructor(proxy: HttpProxy<C>, listener: string, options: HttpServiceOptions = {}) {
    this.proxy = proxy;
    this.#listener = listener;
    this.#options = options;
    this.#server = new ServerOptions(options.settings);
    this.#http2 = toHttp2Options(this.#server.settings, options.http2 ?? true);
    this.clients = new ClientCounts(options.maxConnectionsPerClient ?? 0, options.clientsBefore);
    this.#handshakes = options.handshakes ?? null;
    this.#traffic = options.traffic ?? null;
    this.#faults = options.faults ?? null;
    this.#leaveFaults = this.#faults?.whenActive(() => this.#layFaults());
  }

  /** Faults may come while connections are open. */
  #layFaults(): void {
    for (const { transport } of this.#connections) layFaults(this.#faults!, transport);
  }

  /** Takes an accepted socket, or closes it when a limit or the filter says so. */
  accept(socket: Socket): void {
    const { counters } = this.proxy;
    const address = plainAddress(socket.remoteAddress ?? "");
    counters.add(Counter.connectionsAccepted);
    this.#traffic?.add(TrafficCount.connections);
    if (!this.#admits(address) || !this.clients.add(address)) {
      this.#countRefused();
      socket.destroy();
      return;
    }
    if (this.#faults?.admit().refuse === true) {
      this.clients.remove(address);
      this.#countRefused();
      resetSocket(socket);
      return;
    }
    this.#countOpen(1);
    if (this.#handshakes === null) this.#open(this.#connect(socket, this.#http2?.isOnly === true));
    else {
      this.#underWay++;
      this.#handshakes.accept(socket, this);
    }
  }

  #countRefused(): void {
    this.proxy.counters.add(Counter.connectionsRefused);
    this.#traffic?.add(TrafficCount.connectionsRefused);
  }

  #countOpen(by: number): void {
    this.proxy.counters.add(Counter.connectionsOpen, by);
    this.#traffic?.add(TrafficCount.connectionsOpen, by);
  }

  #admits(address: string): boolean {
    const { maxConnections = 0, connectionFilter = null, besides } = this.#options;
    if (this.draining) return false;
    if (maxConnections > 0 && this.size + (besides?.() ?? 0) >= maxConnections) return false;
    return connectionFilter === null || this.#asks(connectionFilter, address);
  }

  /** Connections that are open, whatever becomes of them. */
  get size(): number {
    return this.#connections.size + this.#underWay + (this.#handshakes?.passed ?? 0);
  }

  #connect(socket: Socket, isHttp2: boolean): ClientConnection {
    if (!isHttp2) return new ServerConnection(socket, this.#server, this);
    this.proxy.counters.add(Counter.http2Connections);
    return Http2ServerConnection.accept(socket, this.#http2!, this);
  }

  #open(connection: ClientConnection): void {
    this.#connections.add(connection);
    if (this.#faults?.isActive === true) layFaults(this.#faults, connection.transport);
    // A closed connection doesn't know any more whose it was.
    if (this.clients.areCounted) this.#note(connection);
    if (!this.draining) return;
    if (this.isPatient) connection.retire?.();
    else connection.drain();
  }

  // ── after the handshake ────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Without ALPN it is HTTP/1 that is spoken: over TLS, HTTP/2 has to be agreed on (RFC 9113 §3.2). Where there is
   * nothing but HTTP/2 that is what clients know beforehand.
   */
  onSecure(socket: TLSSocket, { alpn }: TlsDigest): void {
    this.#underWay--;
    this.#open(this.#connect(socket, alpn === "h2" || (alpn === "" && this.#http2?.isOnly === true)));
  }

  onPlainHttp(socket: Socket, bytes: Buffer): void {
    this.#underWay--;
    const connection = this.#connect(socket, false);
    this.#open(connection);
    connection.transport.handleOwnedRead(bytes);
  }

  onGone(socket: Socket, failure: TlsFailure | null): void {
    const address = plainAddress(socket.remoteAddress ?? "");
    if (failure !== null) this.proxy.reportHandshake(this.#listener, address, failure);
    this.#underWay--;
    this.#countOpen(-1);
    this.clients.remove(address);
    this.#noteEnd();
  }

  // ── requests ───────────────────────────────────────────────────────────────────────────────────────────────────

  #asks(filter: (address: string) => boolean, address: string): boolean {
    try {
      return notPromised(filter(address), "connectionFilter");
    } catch (thrown) {
      this.proxy.reportRefusal(this.#listener, thrown);
      return false;
    }
  }

  onRequest(stream: DownstreamStream, head: RequestHead, connection: ClientConnection): RequestSink {
    const client = (connection.note as HttpClientInfo | null) ?? this.#note(connection);
    if (head.protocol === "HTTP/2") this.proxy.counters.add(Counter.http2Streams);
    const other = this.#handshakes === null ? null : this.#handshakes.insteadFor(head, client);
    if (other !== null) return toExchange(other, stream, head, client);
    const call = this.proxy.grpcWeb === null ? null : this.proxy.grpcWeb.translate(stream, head);
    if (call === null) return toExchange(this.proxy, stream, head, client);
    return sinkOf(call, toExchange(this.proxy, call.client, call.request, client));
  }

  #note(connection: ClientConnection): HttpClientInfo {
    const client = new HttpClientInfo(connection.transport, this.#listener, this.#traffic);
    connection.note = client;
    return client;
  }

  /** Clients that know it begin in HTTP/2 on the same port (RFC 9113 §3.3), but not with TLS, where they have to ask. */
  onOtherVersion(connection: ServerConnection, bytes: Buffer, start: number, end: number): boolean {
    if (this.#http2 === null || this.#handshakes !== null) return false;
    if (startsWithPreface(bytes, start, end) === "no") return false;
    const successor = new Http2ServerConnection(connection.transport, this.#http2, this);
    successor.note = connection.note;
    this.#connections.delete(connection);
    this.#connections.add(successor);
    this.proxy.counters.add(Counter.http2Connections);
    successor.onBytes(bytes, start, end);
    if (this.draining) successor.retire();
    return true;
  }

  onFlood(_connection: Http2ServerConnection, kind: FloodKind): void {
    this.proxy.counters.add(Counter.http2Floods);
    this.proxy.counters.add(FLOODS[kind]);
  }

  onSilence(): void {
    this.proxy.counters.add(Counter.timeouts);
  }

  onRefused(_connection: ClientConnection, _problem: string, status: number): void {
    const { counters } = this.proxy;
    counters.add(Counter.requestsRefused);
    if (status === 0) return;
    counters.add(status >= 500 ? Counter.responses5xx : Counter.responses4xx);
  }

  onHeadTimeout(): void {
    this.proxy.counters.add(Counter.timeouts);
    this.proxy.counters.add(Counter.responses4xx);
  }

  onClosed(connection: ClientConnection): void {
    if (!this.#connections.delete(connection)) return;
    this.#countOpen(-1);
    if (this.clients.areCounted) this.clients.remove((connection.note as HttpClientInfo).address);
    this.#noteEnd();
  }

  #noteEnd(): void {
    if (this.#connections.size > 0 || this.#underWay > 0) return;
    for (const tell of this.#onEmpty.splice(0)) tell();
  }

  /** Kept when no connection is left. */
  whenEmpty(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty.push(resolve);
    this.#noteEnd();
    return promise;
  }

  /**
   * Has each connection end by itself, as soon as that costs nobody anything: clients are told with their next response. Resolves
   * when none is left.
   */
  retire(): Promise<void> {
    this.draining = true;
    this.isPatient = true;
    for (const connection of this.#connections) connection.retire?.();
    return this.whenEmpty();
  }

  /**
   * Closes idle connections, and the others as soon as their request is answered; handshakes that are under way may end, and
   * the first request after them is answered too. Resolves when none is left.
   */
  drain(): Promise<void> {
    this.draining = true;
    this.isPatient = false;
    for (const connection of this.#connections) connection.drain();
    return this.whenEmpty();
  }

  /** Closes every connection now, but for those in their handshake, which whoever has them closes. */
  destroy(): void {
    this.draining = true;
    this.#leaveFaults?.();
    for (const connection of this.#connections) connection.destroy();
  }
}

const FLOODS: Record<FloodKind, Counter> = {
  PeerReset: Counter.http2ResetFloods,
  OwnReset: Counter.http2OwnResetFloods,
  Headers: Counter.http2HeaderFloods,
  Settings: Counter.http2SettingsFloods,
  Ping: Counter.http2PingFloods,
  EmptyData: Counter.http2DataFloods,
  TinyData: Counter.http2DataFloods,
  WindowUpdate: Counter.http2WindowUpdateFloods,
  Ignored: Counter.http2IgnoredFloods,
  UnreadAnswers: Counter.http2UnreadFloods,
};

function toExchange<C>(
  proxy: HttpProxy<C>,
  stream: DownstreamStream,
  head: RequestHead,
  client: HttpClientInfo,
): Exchange<C> {
  return proxy.caches
    ? new CachingExchange(proxy, stream, head, client)
    : new Exchange(proxy, stream, head, client);
}

function toHttp2Options(
  settings: ServerSettings,
  http2: boolean | Partial<Http2Settings>,
): Http2ServerOptions | null {
  if (http2 === false) return null;
  return new Http2ServerOptions(settings, http2 === true ? {} : http2);
}

/** A client's connection, whatever it speaks. */
interface ClientConnection {
  readonly transport: Transport;
  note: unknown;
  /** Tells the client that there will be nothing more. Absent where the next response does. */
  retire?(): void;
  drain(): void;
  destroy(): void;
}
