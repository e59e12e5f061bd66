import type { Socket } from "node:net";
import type { ProxyError } from "../base/errors.ts";
import { Deadline, type DeadlineOwner, TimeoutQueue } from "../base/timeouts.ts";
import type { UpstreamStream } from "../http/streams.ts";
import { connectTo } from "../net/connect.ts";
import { overSocket } from "../net/onread-socket.ts";
import type { Transport, TransportHandler } from "../net/transport.ts";
import { connectError } from "./connect-errors.ts";
import type { HttpPeer } from "./peer.ts";
import { type Protocols, UNNAMED } from "./peer-tls.ts";
import { SocketAttempt, type SocketCallback } from "./socket-attempt.ts";

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
export class ConnectAttempt implements TransportHandler, SocketCallback, DeadlineOwner, PendingStream {
  readonly #callback: ConnectCallback;
  readonly #deadline: Deadline = new Deadline(this);
  /** Of an attempt with one step. */
  #transport: Transport | null = null;
  #attempt: SocketAttempt | null = null;
  #timedOut = false;
  /** It stands, or nobody wants it any more: what becomes of the connection is not told from here on. */
  #isOver = false;
  readonly #preamble: Buffer | null;

  /**
   * @param protocols what is offered by ALPN, where the peer has TLS
   * @param preamble what the server gets first, before TLS
   */
  constructor(
    peer: HttpPeer,
    callback: ConnectCallback,
    protocols: Protocols = UNNAMED,
    preamble: Buffer | null = null,
  ) {
    this.#callback = callback;
    this.#preamble = preamble;
    connectTimeout(peer.connectTimeout).set(this.#deadline);
    if (peer.isSecure || peer.proxy !== null)
      this.#attempt = new SocketAttempt(peer, protocols, this, preamble);
    else this.#connectPlainly(peer);
  }

  #connectPlainly(peer: HttpPeer): void {
    const { localAddress } = peer.options;
    const options = { keepAlive: peer.keepAlive, ...(localAddress === undefined ? {} : { localAddress }) };
    try {
      this.#transport = connectTo(peer.address, options, this, () => this.#onConnect());
    } catch (error) {
      // A local address that is none, say. Whoever asked isn't ready for an answer before it has the attempt.
      process.nextTick(() => this.onClose(error as Error));
    }
  }

  /** Nobody wants the connection any more. */
  cancel(): void {
    this.#isOver = true;
    this.#deadline.clear();
    this.#transport?.destroy();
    this.#attempt?.cancel();
  }

  #onConnect(): void {
    this.#deadline.clear();
    if (this.#isOver) return;
    this.#isOver = true;
    const preamble = this.#preamble;
    if (preamble !== null) this.#transport!.send(preamble, 0, preamble.length);
    this.#callback.onConnected(this.#transport!);
  }

  onSocket(socket: Socket): void {
    this.#deadline.clear();
    this.#isOver = true;
    this.#callback.onConnected(overSocket(socket, this));
  }

  onSocketFailed(error: ProxyError): void {
    this.#deadline.clear();
    this.#callback.onConnectFailed(error);
  }

  onDeadline(): void {
    if (this.#attempt !== null) {
      this.#callback.onConnectFailed(this.#attempt.expire());
      return;
    }
    this.#timedOut = true;
    this.#transport?.destroy();
  }

  onClose(error: Error | null): void {
    this.#deadline.clear();
    if (!this.#isOver) this.#callback.onConnectFailed(connectError(error, this.#timedOut));
  }

  // Nothing comes before the connection stands.
  onData(): void {}
  onEnd(): void {}
  onBlocked(): void {}
  onDrain(): void {}
}
