import type { Socket } from "node:net";
import { Deadline, type DeadlineOwner, TimeoutQueue } from "../base/timeouts.ts";
import { connectTimeout } from "./connect-attempt.ts";
import { HttpPeer } from "./peer.ts";
import { UNNAMED } from "./peer-tls.ts";
import { DEFAULT_POOL_OPTIONS, type PoolOptions } from "./pool.ts";
import { SocketAttempt } from "./socket-attempt.ts";

export interface TcpConnectOptions {
  /** Gives the attempt up; `connect` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** True for a connection that nobody had before. */
  readonly fresh?: boolean;
}

/**
 * Connections to servers for bytes of any kind, kept for the next one who needs them. Of a peer's options the address,
 * `connectTimeout`, `localAddress`, `keepAlive`, `tls`, `sni`, `proxy` and `group` count.
 *
 *     connect ──▶ in use ──release──▶ idle ──connect──▶ in use …
 *                   │                  └── the server closes it or speaks, it has been idle too long: closed
 *                   └── closed by whoever has it
 */
export class TcpConnector implements Disposable {
  readonly #options: PoolOptions;
  readonly #idle = new Map<string, IdleSocket[]>();
  readonly #idleTimeout: TimeoutQueue;
  readonly #reused = new WeakSet<Socket>();
  #idleCount = 0;
  #closed = false;

  constructor(options: Partial<PoolOptions> = {}) {
    this.#options = { ...DEFAULT_POOL_OPTIONS, ...options };
    const { idleTimeout } = this.#options;
    this.#idleTimeout = new TimeoutQueue(idleTimeout === 0 ? Number.MAX_SAFE_INTEGER : idleTimeout);
  }

  /** Idle connections now. */
  get idleCount(): number {
    return this.#idleCount;
  }

  /**
   * The idle connection to `peer` that was used last, or else a new one. It is half-open (`allowHalfOpen`): the server's
   * end doesn't end our direction. Errors after this are the caller's to listen for.
   * @throws ProxyError `UPSTREAM_CONNECT_…` when none can be made
   */
  async connect(peer: HttpPeer | string, options: TcpConnectOptions = {}): Promise<Socket> {
    const { signal, fresh = false } = options;
    signal?.throwIfAborted();
    const target = typeof peer === "string" ? new HttpPeer(peer) : peer;
    return (fresh ? null : this.#take(target)) ?? (await open(target, signal));
  }

  /** True when `socket` was given out before: the server may have closed it since, which is no fault of its own. */
  isReused(socket: Socket): boolean {
    return this.#reused.has(socket);
  }

  /**
   * Keeps a connection that nobody needs any more for the next `connect` to an equal peer, once its exchange is complete
   * on both sides. One that has been ended, has something unread or unsent, or comes when there is no room, is closed.
   * The caller takes its own listeners off before.
   * @returns whether it was kept
   */
  release(peer: HttpPeer | string, socket: Socket): boolean {
    const { size } = this.#options;
    if (this.#closed || size === 0 || !isClean(socket)) {
      socket.destroy();
      return false;
    }
    if (this.#idleCount >= size) (this.#idleTimeout.oldest as IdleSocket | null)?.discard();
    const stack = this.#idle.getOrInsertComputed(
      typeof peer === "string" ? new HttpPeer(peer).key : peer.key,
      () => [],
    );
    const entry = new IdleSocket(socket, () => this.#forget(stack, entry));
    stack.push(entry);
    this.#idleCount++;
    this.#idleTimeout.set(entry.deadline);
    return true;
  }

  /** Closes idle connections; those in use are closed when they are released. */
  close(): void {
    this.#closed = true;
    for (const stack of this.#idle.values()) for (const entry of stack.toReversed()) entry.discard();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #take({ key }: HttpPeer): Socket | null {
    const entry = this.#idle.get(key)?.at(-1);
    if (entry === undefined) return null;
    const socket = entry.giveOut();
    this.#reused.add(socket);
    return socket;
  }

  #forget(stack: IdleSocket[], entry: IdleSocket): void {
    const index = stack.lastIndexOf(entry);
    if (index === -1) return;
    stack.splice(index, 1);
    this.#idleCount--;
  }
}

/** A connection that waits for its next use, and is watched meanwhile. */
class IdleSocket implements DeadlineOwner {
  readonly deadline: Deadline = new Deadline(this);
  readonly #socket: Socket;
  readonly #onLeave: () => void;

  constructor(socket: Socket, onLeave: () => void) {
    this.#socket = socket;
    this.#onLeave = onLeave;
    // Idle connections alone are no reason for a process to stay.
    socket.unref();
    socket.on("error", ignore);
    socket.on("close", this.#leave);
    // A server that speaks unasked could only be taken for the next answer; one that ends will give none. To listen for
    // 'data' would make the stream flow, and lose what comes when the next owner isn't listening yet.
    socket.on("readable", this.#discard);
  }

  giveOut(): Socket {
    const socket = this.#socket;
    this.#leave();
    socket.off("error", ignore);
    socket.off("close", this.#leave);
    socket.off("readable", this.#discard);
    socket.ref();
    return socket;
  }

  discard(): void {
    this.#leave();
    this.#socket.destroy();
  }

  onDeadline(): void {
    this.discard();
  }

  readonly #discard = (): void => this.discard();

  readonly #leave = (): void => {
    this.deadline.clear();
    this.#onLeave();
  };
}

function ignore(): void {}

function isClean(socket: Socket): boolean {
  const { destroyed, readable, writable, readableLength, writableLength, readableEnded } = socket;
  return !destroyed && readable && writable && !readableEnded && readableLength === 0 && writableLength === 0;
}

/** A new connection, within the peer's time. */
function open(peer: HttpPeer, signal: AbortSignal | undefined): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const conclude = (): void => {
    deadline.clear();
    signal?.removeEventListener("abort", onAbort);
  };
  const attempt = new SocketAttempt(peer, UNNAMED, {
    onSocket(socket) {
      conclude();
      resolve(socket);
    },
    onSocketFailed(error) {
      conclude();
      reject(error);
    },
  });
  const deadline = new Deadline({
    onDeadline() {
      conclude();
      reject(attempt.expire());
    },
  });
  const onAbort = (): void => {
    conclude();
    attempt.cancel();
    reject(signal?.reason);
  };
  connectTimeout(peer.connectTimeout).set(deadline);
  signal?.addEventListener("abort", onAbort);
  return promise;
}
