import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { Deadline, type DeadlineOwner, TimeoutQueue } from "../base/timeouts.ts";
import type { UpstreamStream } from "../http/streams.ts";
import { connectTo } from "../net/connect.ts";
import type { Transport, TransportHandler } from "../net/transport.ts";
import type { HttpPeer } from "./peer.ts";

/** Told how an attempt to connect ended. */
export interface ConnectCallback {
  /** The connection is the callee's now, which sets its handler at once. */
  onConnected(transport: Transport): void;
  onConnectFailed(error: ProxyError): void;
}

/** Told how the wish for a stream ended. */
export interface StreamCallback {
  /**
   * The stream is the callee's for one request, which calls `begin` at once.
   * @param isNew whether a connection was made for it
   */
  onStream(stream: UpstreamStream, isNew: boolean): void;
  onConnectFailed(error: ProxyError): void;
}

/** A stream that somebody waits for; it can be given up. */
export interface PendingStream {
  cancel(): void;
}

const connectTimeouts = new Map<number, TimeoutQueue>();

/** @internal the queue of connections that may take so long to be made */
export function connectTimeout(duration: number): TimeoutQueue {
  return connectTimeouts.getOrInsertComputed(duration, () => new TimeoutQueue(duration));
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
