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
import { ConnectionPool, DEFAULT_POOL_OPTIONS, type PoolOptions } from "./pool.ts";
import { SharedPool } from "./shared-pool.ts";

/** Gives out streams to servers: on a connection that is there, where it has room, else on a new one. */
export class Connector {
  readonly pool: ConnectionPool;
  /** Connections that carry many requests at once. */
  readonly shared: SharedPool;
  /** Connections with one request at a time that stand, idle ones included. */
  #open = 0;

  constructor(options: PoolOptions = DEFAULT_POOL_OPTIONS) {
    this.pool = new ConnectionPool(options);
    this.shared = new SharedPool(options);
  }

  /** Connections that stand, idle ones included. */
  get open(): number {
    return this.#open + this.shared.open;
  }

  /** A stream on a connection that stands, at once. */
  take(peer: HttpPeer): UpstreamStream | null {
    return peer.isShared ? this.shared.take(peer) : this.pool.take(peer);
  }

  /** A stream on a connection that may have to be made. It can be given up. */
  openStream(peer: HttpPeer, callback: StreamCallback): PendingStream {
    return peer.isShared
      ? this.shared.join(peer, callback)
      : new ConnectAttempt(peer, new SoleStream(this, peer, callback));
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

  close(): void {
    this.pool.close();
    this.shared.close();
  }
}

/** Makes a stream of a new connection that carries one request at a time. */
class SoleStream implements ConnectCallback {
  readonly #connector: Connector;
  readonly #peer: HttpPeer;
  readonly #callback: StreamCallback;

  constructor(connector: Connector, peer: HttpPeer, callback: StreamCallback) {
    this.#connector = connector;
    this.#peer = peer;
    this.#callback = callback;
  }

  onConnected(transport: Transport): void {
    this.#callback.onStream(this.#connector.adopt(transport, this.#peer), true);
  }

  onConnectFailed(error: ProxyError): void {
    this.#callback.onConnectFailed(error);
  }
}
