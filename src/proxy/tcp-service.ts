import type { Socket } from "node:net";
import { Counter } from "../base/counters.ts";
import { isThenable } from "../base/errors.ts";
import { Deadline, type DeadlineOwner, TimeoutQueue } from "../base/timeouts.ts";
import { takenBytes } from "../net/node-sockets.ts";
import type { MaybePromise } from "./phases.ts";
import type { Service, ServiceContext } from "./service.ts";
import type { ConnectionInfo } from "./session.ts";

/**
 * A program over one connection. The socket is Node's own, half-open: the client's end doesn't end ours.
 *
 * A handler that returns a promise owns the connection until the promise is kept; then our direction is ended, once all
 * that was written is sent. One that returns nothing ends the socket itself. What it throws is reported and closes this
 * connection with a reset. A handler that reads with `for await` ought to ask for
 * `socket.iterator({ destroyOnReturn: false })`: Node's default throws away what is still being written.
 *
 * @param signal aborted when the server begins to shut down, for connections that last
 */
export type TcpHandler = (socket: Socket, client: ConnectionInfo, signal: AbortSignal) => MaybePromise<void>;

export interface TcpServiceOptions {
  /** Default "tcp". */
  readonly name?: string;
  /** Addresses to listen on: `host:port`, `:port`, `[v6]:port`, `unix:/path`. Default: those the program is run with. */
  readonly listen?: readonly string[];
  readonly handler: TcpHandler;
  readonly dependsOn?: readonly string[];
  /** Open connections; more are closed as they come. Default 0: no limit. Holds for each thread. */
  readonly maxConnections?: number;
  /** Milliseconds without a byte in either direction, after which a connection is closed. Default 0: never. */
  readonly idleTimeout?: number;
}

/** How long a connection whose handler is done may stay half-open. */
const LINGER = 2_000;

/** A service that hands every connection to a function. */
export function tcpService(options: TcpServiceOptions): Service {
  return new TcpService(options);
}

class TcpService implements Service {
  readonly name: string;
  readonly listen: readonly string[];
  readonly takesBinds: boolean;
  readonly dependsOn: readonly string[];
  readonly pausesAccepted = false;
  readonly #options: TcpServiceOptions;
  readonly #connections = new Set<TcpConnection>();
  #context: ServiceContext | null = null;
  #onEmpty: (() => void) | null = null;

  constructor(options: TcpServiceOptions) {
    this.name = options.name ?? "tcp";
    this.listen = options.listen ?? [];
    this.takesBinds = options.listen === undefined;
    this.dependsOn = options.dependsOn ?? [];
    this.#options = options;
  }

  start(context: ServiceContext): void {
    this.#context = context;
  }

  accept(socket: Socket, listener: string): void {
    const { counters, signal } = this.#context!;
    const { maxConnections = 0, idleTimeout = 0 } = this.#options;
    counters.add(Counter.connectionsAccepted);
    if (signal.aborted || (maxConnections > 0 && this.#connections.size >= maxConnections)) {
      counters.add(Counter.connectionsRefused);
      socket.destroy();
      return;
    }
    counters.add(Counter.connectionsOpen);
    const connection = new TcpConnection(socket, idleTimeout);
    this.#connections.add(connection);
    socket.once("close", () => this.#forget(connection));
    void this.#run(connection, listener);
  }

  async #run(connection: TcpConnection, listener: string): Promise<void> {
    const { socket } = connection;
    const { remoteAddress: address = "", remotePort: port = 0 } = socket;
    const { reporter, signal } = this.#context!;
    try {
      const done = this.#options.handler(socket, { address, port, listener }, signal);
      if (!isThenable(done)) return;
      await done;
      connection.finish();
    } catch (thrown) {
      if (!connection.isCauseOf(thrown)) reporter?.onServiceError(this.name, thrown);
      connection.cut();
    }
  }

  #forget(connection: TcpConnection): void {
    this.#connections.delete(connection);
    this.#context!.counters.add(Counter.connectionsOpen, -1);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  /** Waits for the open connections to end by themselves. */
  drain(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    if (this.#connections.size === 0) resolve();
    return promise;
  }

  destroy(): void {
    for (const { socket } of this.#connections) socket.destroy();
  }
}

const lingering = new TimeoutQueue(LINGER);

/** One accepted connection, seen from the service. */
class TcpConnection implements DeadlineOwner {
  readonly socket: Socket;
  readonly #deadline: Deadline = new Deadline(this);
  #taken = 0;

  constructor(socket: Socket, idleTimeout: number) {
    this.socket = socket;
    // A connection that breaks is the handler's to notice; without a listener it would be the process's.
    socket.on("error", () => {});
    if (idleTimeout > 0) socket.setTimeout(idleTimeout, () => socket.destroy());
  }

  /**
   * Ends our direction and reads on for a while: to close with unread bytes would reset the connection, and take what
   * was sent last along.
   */
  finish(): void {
    const { socket } = this;
    if (socket.destroyed) return;
    socket.end();
    socket.resume();
    lingering.set(this.#deadline);
    socket.once("close", () => this.#deadline.clear());
  }

  /** A client that is still taking what was sent last gets the time that it needs. */
  onDeadline(): void {
    const taken = takenBytes(this.socket);
    if (taken > this.#taken && this.socket.writableLength > 0) lingering.set(this.#deadline);
    else this.socket.destroy();
    this.#taken = taken;
  }

  cut(): void {
    if (this.socket.destroyed) return;
    // Only TCP knows resets.
    if (this.socket.remoteAddress === undefined) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  /** True when the handler failed only because its connection did: that is nobody's mistake. */
  isCauseOf(thrown: unknown): boolean {
    const { errored, destroyed } = this.socket;
    if (errored !== null && thrown === errored) return true;
    const code = (thrown as NodeJS.ErrnoException | null | undefined)?.code;
    return destroyed && (code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ABORT_ERR");
  }
}
