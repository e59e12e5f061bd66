import type { Socket } from "node:net";
import { Counter } from "../base/counters.ts";
import { notPromised } from "../base/errors.ts";
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
import type { Transport } from "../net/transport.ts";
import { Exchange } from "./exchange.ts";
import type { ForwardedClient, ForwardingNote } from "./forwarding.ts";
import type { HttpProxy } from "./http-proxy.ts";

export interface HttpServiceOptions {
  /** Limits and timeouts of clients' connections. */
  readonly settings?: Partial<ServerSettings>;
  /** How clients that begin in HTTP/2 are answered in it, within the same limits; false: they aren't. Default true. */
  readonly http2?: boolean | Partial<Http2Settings>;
  /** Open connections; more are closed as they come. 0: no limit. Holds for each thread. */
  readonly maxConnections?: number;
  /** Open connections from one client address. 0: no limit. Holds for each thread. */
  readonly maxConnectionsPerClient?: number;
  /** Decides before a byte is read whether a client may connect. */
  readonly connectionFilter?: ((address: string) => boolean) | null;
  /** Faults that are laid on clients' connections; null for none. */
  readonly faults?: Faults | null;
}

/** Serves a proxy program on the connections of one listener, in one thread. */
export class HttpService<C> implements Http1Application<ClientConnection> {
  draining = false;
  readonly #proxy: HttpProxy<C>;
  readonly #options: HttpServiceOptions;
  readonly #server: ServerOptions;
  /** Null when clients may not speak HTTP/2. */
  readonly #http2: Http2ServerOptions | null;
  readonly #connections = new Set<ClientConnection>();
  readonly #perClient: Map<string, number> | null;
  readonly #listener: string;
  readonly #faults: Faults | null;
  #onEmpty: (() => void) | null = null;

  constructor(proxy: HttpProxy<C>, listener: string, options: HttpServiceOptions = {}) {
    this.#proxy = proxy;
    this.#listener = listener;
    this.#options = options;
    this.#server = new ServerOptions(options.settings);
    this.#http2 = toHttp2Options(this.#server.settings, options.http2 ?? true);
    this.#perClient = (options.maxConnectionsPerClient ?? 0) > 0 ? new Map() : null;
    this.#faults = options.faults ?? null;
    this.#faults?.whenActive(() => this.#layFaults());
  }

  /** Faults may come while connections are open. */
  #layFaults(): void {
    for (const { transport } of this.#connections) layFaults(this.#faults!, transport);
  }

  /** Takes an accepted socket, or closes it when a limit or the filter says so. */
  accept(socket: Socket): void {
    const { counters } = this.#proxy;
    counters.add(Counter.connectionsAccepted);
    if (!this.#admits(socket)) {
      counters.add(Counter.connectionsRefused);
      socket.destroy();
      return;
    }
    if (this.#faults?.admit().refuse === true) {
      counters.add(Counter.connectionsRefused);
      socket.resetAndDestroy();
      return;
    }
    counters.add(Counter.connectionsOpen);
    const connection = this.#connect(socket);
    this.#connections.add(connection);
    if (this.#faults?.isActive === true) layFaults(this.#faults, connection.transport);
    if (this.#perClient !== null) this.#countClient(plainAddress(connection.transport.remoteAddress));
  }

  #connect(socket: Socket): ClientConnection {
    const http2 = this.#http2;
    if (http2 === null || !http2.isOnly) return new ServerConnection(socket, this.#server, this);
    this.#proxy.counters.add(Counter.http2Connections);
    return Http2ServerConnection.accept(socket, http2, this);
  }

  #admits(socket: Socket): boolean {
    const { maxConnections = 0, maxConnectionsPerClient = 0, connectionFilter = null } = this.#options;
    if (this.draining) return false;
    if (maxConnections > 0 && this.#connections.size >= maxConnections) return false;
    const address = plainAddress(socket.remoteAddress ?? "");
    if (connectionFilter !== null && !this.#asks(connectionFilter, address)) return false;
    // On a Unix socket there is no telling who is who.
    if (this.#perClient === null || address === "") return true;
    return (this.#perClient.get(address) ?? 0) < maxConnectionsPerClient;
  }

  #asks(filter: (address: string) => boolean, address: string): boolean {
    try {
      return notPromised(filter(address), "connectionFilter");
    } catch (thrown) {
      this.#proxy.reportRefusal(this.#listener, thrown);
      return false;
    }
  }

  #countClient(address: string): void {
    this.#perClient!.set(address, (this.#perClient!.get(address) ?? 0) + 1);
  }

  onRequest(stream: DownstreamStream, head: RequestHead, connection: ClientConnection): RequestSink {
    const client = (connection.note as Client | null) ?? this.#note(connection);
    if (head.protocol === "HTTP/2") this.#proxy.counters.add(Counter.http2Streams);
    return new Exchange(this.#proxy, stream, head, client);
  }

  #note(connection: ClientConnection): Client {
    const client = new Client(connection, this.#listener);
    connection.note = client;
    return client;
  }

  /** Clients that know it begin in HTTP/2 on the same port (RFC 9113 §3.3). */
  onOtherVersion(connection: ServerConnection, bytes: Buffer, start: number, end: number): boolean {
    if (this.#http2 === null || startsWithPreface(bytes, start, end) === "no") return false;
    const successor = new Http2ServerConnection(connection.transport, this.#http2, this);
    this.#connections.delete(connection);
    this.#connections.add(successor);
    this.#proxy.counters.add(Counter.http2Connections);
    successor.onBytes(bytes, start, end);
    return true;
  }

  onFlood(_connection: Http2ServerConnection, kind: FloodKind): void {
    this.#proxy.counters.add(Counter.http2Floods);
    this.#proxy.counters.add(FLOODS[kind]);
  }

  onSilence(): void {
    this.#proxy.counters.add(Counter.timeouts);
  }

  onRefused(_connection: ClientConnection, _problem: string, status: number): void {
    const { counters } = this.#proxy;
    counters.add(Counter.requestsRefused);
    if (status === 0) return;
    counters.add(status >= 500 ? Counter.responses5xx : Counter.responses4xx);
  }

  onHeadTimeout(): void {
    this.#proxy.counters.add(Counter.timeouts);
    this.#proxy.counters.add(Counter.responses4xx);
  }

  onClosed(connection: ClientConnection): void {
    if (!this.#connections.delete(connection)) return;
    this.#proxy.counters.add(Counter.connectionsOpen, -1);
    if (this.#perClient !== null) this.#forgetClient(plainAddress(connection.transport.remoteAddress));
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  #forgetClient(address: string): void {
    const open = (this.#perClient!.get(address) ?? 1) - 1;
    if (open === 0) this.#perClient!.delete(address);
    else this.#perClient!.set(address, open);
  }

  /** Closes idle connections, and the others as soon as their request is answered; resolves when none is left. */
  drain(): Promise<void> {
    this.draining = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    if (this.#connections.size === 0) resolve();
    for (const connection of this.#connections) connection.drain();
    return promise;
  }

  /** Closes every connection now. */
  destroy(): void {
    this.draining = true;
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
  drain(): void;
  destroy(): void;
}

/** What is known of a client's connection, found out when its first request comes. */
class Client implements ForwardedClient {
  readonly address: string;
  readonly port: number;
  readonly listener: string;
  readonly scheme = "http";
  readonly forwarding: ForwardingNote = { host: "", version: "", additions: null, trusted: null };

  constructor(connection: ClientConnection, listener: string) {
    this.address = plainAddress(connection.transport.remoteAddress);
    this.port = connection.transport.socket.remotePort ?? 0;
    this.listener = listener;
  }
}
