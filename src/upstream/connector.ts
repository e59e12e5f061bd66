import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { Deadline, type DeadlineOwner, TimeoutQueue } from "../base/timeouts.ts";
import { ClientConnection } from "../http1/client-connection.ts";
import { connectTo } from "../net/connect.ts";
import type { Transport, TransportHandler } from "../net/transport.ts";
import type { HttpPeer } from "./peer.ts";
import { ConnectionPool, type PoolOptions } from "./pool.ts";

/** Told how an attempt to connect ended. */
export interface ConnectCallback {
  /** The connection is the callee's now, which sets its handler at once. */
  onConnected(transport: Transport): void;
  onConnectFailed(error: ProxyError): void;
}

const connectTimeouts = new Map<number, TimeoutQueue>();

function connectTimeout(duration: number): TimeoutQueue {
  return connectTimeouts.getOrInsertComputed(duration, () => new TimeoutQueue(duration));
}

/** Gives out connections to servers: an idle one where there is one, else a new one. */
export class Connector {
  readonly pool: ConnectionPool;
  /** Connections that stand, idle ones included. */
  open = 0;

  constructor(options?: PoolOptions) {
    this.pool = new ConnectionPool(options);
  }

  /** An idle connection, at once. */
  take(peer: HttpPeer): ClientConnection | null {
    return this.pool.take(peer);
  }

  /** Opens a new connection. The attempt can be given up. */
  connect(peer: HttpPeer, callback: ConnectCallback): ConnectAttempt {
    return new ConnectAttempt(peer, callback);
  }

  /** A new connection to `peer` as one for HTTP/1 requests, which comes to the pool between them. */
  adopt(transport: Transport, peer: HttpPeer): ClientConnection {
    this.open++;
    const keeper = this.pool.keeperFor(peer, () => {
      this.open--;
    });
    const connection = new ClientConnection(peer.client, keeper);
    keeper.connection = connection;
    connection.transport = transport;
    transport.handler = connection;
    return connection;
  }

  close(): void {
    this.pool.close();
  }
}

/** A connection in the making, within the peer's time; it can be given up. */
export class ConnectAttempt implements TransportHandler, DeadlineOwner {
  readonly #callback: ConnectCallback;
  readonly #deadline: Deadline = new Deadline(this);
  #transport: Transport | null = null;
  #timedOut = false;
  #cancelled = false;

  constructor(peer: HttpPeer, callback: ConnectCallback) {
    this.#callback = callback;
    const { localAddress } = peer.options;
    const options = { keepAlive: peer.keepAlive, ...(localAddress === undefined ? {} : { localAddress }) };
    connectTimeout(peer.connectTimeout).set(this.#deadline);
    try {
      this.#transport = connectTo(peer.address, options, this, () => this.#onConnect());
    } catch (error) {
      // A local address that is none, say. Whoever asked isn't ready for an answer before it has the attempt.
      process.nextTick(() => this.onClose(error as Error));
    }
  }

  /** Nobody wants the connection any more. */
  cancel(): void {
    this.#cancelled = true;
    this.#deadline.clear();
    this.#transport?.destroy();
  }

  #onConnect(): void {
    this.#deadline.clear();
    if (!this.#cancelled) this.#callback.onConnected(this.#transport!);
  }

  onDeadline(): void {
    this.#timedOut = true;
    this.#transport?.destroy();
  }

  onClose(error: Error | null): void {
    this.#deadline.clear();
    if (!this.#cancelled) this.#callback.onConnectFailed(connectError(error, this.#timedOut));
  }

  // Nothing comes before the connection stands.
  onData(): void {}
  onEnd(): void {}
  onBlocked(): void {}
  onDrain(): void {}
}

/** Why no connection came about, as an error that may be retried. */
export function connectError(error: Error | null, timedOut: boolean): ProxyError {
  const cause = error === null ? undefined : { cause: error };
  const systemCode = (error as NodeJS.ErrnoException | null)?.code;
  let code: ErrorCode = "UPSTREAM_CONNECT_FAILED";
  if (timedOut || systemCode === "ETIMEDOUT") code = "UPSTREAM_CONNECT_TIMEOUT";
  else if (systemCode === "ECONNREFUSED") code = "UPSTREAM_CONNECT_REFUSED";
  return new ProxyError(code, error?.message, cause);
}
