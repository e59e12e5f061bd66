import type { ProxyError } from "../base/errors.ts";
import type { UpstreamStream } from "../http/streams.ts";
import { ClientConnection } from "../http1/client-connection.ts";
import type { Transport } from "../net/transport.ts";
import {
  ConnectAttempt,
  type ConnectCallback,
  type PendingStream,
  type StreamCallback,
} from "./connect-attempt.ts";
import type { HttpPeer } from "./peer.ts";
import { EITHER, HTTP1_ONLY, type Protocols } from "./peer-tls.ts";
import { ConnectionPool, DEFAULT_POOL_OPTIONS, type PoolOptions } from "./pool.ts";
import { type Http1Fallback, SharedPool, type Waiter } from "./shared-pool.ts";

/** Peers of which it is remembered what they chose. */
const MOST_REMEMBERED = 4096;

/**
 * Gives out streams to servers: on a connection that is there, where it has room, else on a new one.
 *
 * Where the server chooses what is spoken (ALPN), requests wait for the first connection like those of HTTP/2. What it chose
 * is remembered until it chooses something else:
 *
 *     nothing known, or h2 ── one connection for all ──┬─ h2 ───────▶ streams on it
 *            ▲                                         └─ http/1.1 ─▶ the first that waits gets it, the others one each
 *            └────────── h2, on any of them ◀── http/1.1 ◀───────────────────┘
 */
export class Connector implements Http1Fallback {
  readonly pool: ConnectionPool;
  /** Connections that carry many requests at once. */
  readonly shared: SharedPool;
  /** Connections with one request at a time that stand, idle ones included. */
  #open = 0;
  /** Keys of peers that chose HTTP/1 last. */
  readonly #http1 = new Set<string>();

  constructor(options: PoolOptions = DEFAULT_POOL_OPTIONS) {
    this.pool = new ConnectionPool(options);
    this.shared = new SharedPool(options, this);
  }

  /** Connections that stand, idle ones included. */
  get open(): number {
    return this.#open + this.shared.open;
  }

  /**
   * A stream on a connection that stands, at once.
   * @param switches whether the request asks for another protocol on its connection, like WebSocket
   */
  take(peer: HttpPeer, switches: boolean = false): UpstreamStream | null {
    return this.#isShared(peer, switches) ? this.shared.take(peer) : this.pool.take(peer);
  }

  /** A stream on a connection that may have to be made. It can be given up. */
  openStream(peer: HttpPeer, callback: StreamCallback, switches: boolean = false): PendingStream {
    if (this.#isShared(peer, switches)) return this.shared.join(peer, callback);
    const protocols = peer.speaks === "either" && !switches ? EITHER : HTTP1_ONLY;
    return new SoleStream(this, peer, callback, protocols);
  }

  /**
   * True when the request goes to where connections carry many. One that switches protocols does so only if the server has
   * said that it can: HTTP/1 always knows how.
   */
  #isShared(peer: HttpPeer, switches: boolean): boolean {
    if (peer.speaks !== "either") return peer.speaks === "http2";
    return !this.#http1.has(peer.key) && (!switches || this.shared.switchesProtocols(peer));
  }

  /** Opens a new connection for whatever the callee makes of it. The attempt can be given up. */
  connect(peer: HttpPeer, callback: ConnectCallback): ConnectAttempt {
    return new ConnectAttempt(peer, callback);
  }

  /** @internal a new connection to `peer` as one for HTTP/1 requests, which comes to the pool between them */
  adopt(transport: Transport, peer: HttpPeer): ClientConnection {
    this.#open++;
    const keeper = this.pool.keeperFor(peer, () => {
      this.#open--;
    });
    const connection = new ClientConnection(peer.client, keeper);
    keeper.connection = connection;
    connection.transport = transport;
    transport.handler = connection;
    return connection;
  }

  /** A server chose HTTP/1 for a connection that many wanted to share */
  onHttp1(transport: Transport, peer: HttpPeer, waiting: readonly Waiter[]): void {
    if (this.#http1.size >= MOST_REMEMBERED) this.#http1.clear();
    this.#http1.add(peer.key);
    const connection = this.adopt(transport, peer);
    const [first, ...others] = waiting;
    for (const waiter of others) waiter.waitFor((callback) => this.openStream(peer, callback));
    if (first === undefined) connection.putBack();
    else first.serve(connection, true);
  }

  /** @internal a server chose HTTP/2 for a connection that was to be one request's */
  onHttp2(transport: Transport, peer: HttpPeer, callback: StreamCallback): PendingStream {
    this.#http1.delete(peer.key);
    this.shared.adopt(transport, peer);
    return this.shared.join(peer, callback);
  }

  close(): void {
    this.pool.close();
    this.shared.close();
  }
}

/** A new connection for one request at a time, unless the server chooses otherwise. */
class SoleStream implements ConnectCallback, PendingStream {
  readonly #connector: Connector;
  readonly #peer: HttpPeer;
  readonly #callback: StreamCallback;
  #pending: PendingStream;

  constructor(connector: Connector, peer: HttpPeer, callback: StreamCallback, protocols: Protocols) {
    this.#connector = connector;
    this.#peer = peer;
    this.#callback = callback;
    this.#pending = new ConnectAttempt(peer, this, protocols);
  }

  cancel(): void {
    this.#pending.cancel();
  }

  onConnected(transport: Transport): void {
    if (transport.tls?.alpn === "h2")
      this.#pending = this.#connector.onHttp2(transport, this.#peer, this.#callback);
    else this.#callback.onStream(this.#connector.adopt(transport, this.#peer), true);
  }

  onConnectFailed(error: ProxyError): void {
    this.#callback.onConnectFailed(error);
  }
}
