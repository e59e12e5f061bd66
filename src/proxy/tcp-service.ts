import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { Counter } from "../base/counters.ts";
import { isThenable } from "../base/errors.ts";
import { Deadline, type DeadlineOwner, TimeoutQueue } from "../base/timeouts.ts";
import { takenBytes } from "../net/node-sockets.ts";
import { isLost, resetSocket } from "../net/reset-socket.ts";
import type { CertificateCallback } from "../net/tls/certificate-store.ts";
import type { TlsDigest } from "../net/tls/digest.ts";
import type { TlsListenerSettings } from "../net/tls/listener-settings.ts";
import { securedSocket } from "../net/tls/secured-socket.ts";
import type { TlsFailure } from "../net/tls/tls-acceptor.ts";
import type { MaybePromise } from "./phases.ts";
import type { Service, ServiceContext } from "./service.ts";
import type { ConnectionInfo } from "./session.ts";
import { openTerminator } from "./tls/open-terminator.ts";
import { type TlsOptions, toTlsSettings } from "./tls/tls-options.ts";
import type { TlsTerminator, TlsTerminatorListener } from "./tls/tls-terminator.ts";

/** The client of a TCP service. */
export interface TcpClientInfo extends ConnectionInfo {
  /** What was agreed on with the client, and who it is as far as it showed; null without TLS. */
  readonly tls: TlsDigest | null;
}

/**
 * A program over one connection. The socket is Node's own, half-open: the client's end doesn't end ours. With TLS it is a
 * `tls.TLSSocket` whose handshake is done.
 *
 * A handler that returns a promise owns the connection until the promise is kept; then our direction is ended, once all
 * that was written is sent. One that returns nothing ends the socket itself. What it throws is reported and closes this
 * connection with a reset. A handler that reads with `for await` ought to ask for
 * `socket.iterator({ destroyOnReturn: false })`: Node's default throws away what is still being written.
 *
 * @param signal aborted when the server begins to shut down, for connections that last
 */
export type TcpHandler = (socket: Socket, client: TcpClientInfo, signal: AbortSignal) => MaybePromise<void>;

export interface TcpServiceOptions {
  /** Default "tcp". */
  readonly name?: string;
  /** Addresses to listen on: `host:port`, `:port`, `[v6]:port`, `unix:/path`. Default: those the program is run with. */
  readonly listen?: readonly string[];
  readonly handler: TcpHandler;
  /** TLS towards clients, on all addresses: `{ cert, key }` is enough. Default null: none. */
  readonly tls?: TlsOptions | null;
  /** Chooses certificates before `tls` does, which may then do without any; null: `tls` shall choose. */
  readonly certificateCallback?: CertificateCallback;
  /** With TLS: protocols to agree on by ALPN, the best first; clients that offer others only are refused. Default: none. */
  readonly alpn?: readonly string[];
  readonly dependsOn?: readonly string[];
  /** Open connections; more are closed as they come. Default 0: no limit. Holds for each thread. */
  readonly maxConnections?: number;
  /** Milliseconds without a byte in either direction, after which a connection is closed. Default 0: never. */
  readonly idleTimeout?: number;
}

/** How long a connection whose handler is done may stay half-open. */
const LINGER = 2_000;
/** Listeners of `'close'`, ours and those of Node's TLS: a program's `pipeline(socket, socket)` may add eight of its ten. */
const OWN_LISTENERS = 3;

/**
 * A service that hands every connection to a function.
 * @throws TypeError when `tls` has no certificate, or is to pass connections on; RangeError when it can't be used otherwise
 */
export function tcpService(options: TcpServiceOptions): Service {
  return new TcpService(options);
}

class TcpService implements Service, TlsTerminatorListener {
  readonly name: string;
  readonly listen: readonly string[];
  readonly takesBinds: boolean;
  readonly dependsOn: readonly string[];
  readonly pausesAccepted: boolean;
  readonly #options: TcpServiceOptions;
  /** Null without TLS. */
  readonly #tls: TlsListenerSettings | null;
  readonly #connections = new Set<TcpConnection>();
  /** Where connections came in whose handshake isn't done. */
  readonly #handshakes = new Map<Socket, string>();
  #terminator: TlsTerminator | null = null;
  #context: ServiceContext | null = null;
  #onEmpty: (() => void) | null = null;

  constructor(options: TcpServiceOptions) {
    this.name = options.name ?? "tcp";
    this.listen = options.listen ?? [];
    this.takesBinds = options.listen === undefined;
    this.dependsOn = options.dependsOn ?? [];
    this.#options = options;
    this.#tls = tlsOf(options);
    this.pausesAccepted = this.#tls !== null;
  }

  /** Rejects with a `CertificateError` when a file can't be used. */
  async start(context: ServiceContext): Promise<void> {
    this.#context = context;
    const settings = this.#tls;
    if (settings === null) return;
    const { alpn = [], certificateCallback: callback = null } = this.#options;
    this.#terminator = await openTerminator(context, this.name, { settings, alpn, callback }, this);
  }

  accept(socket: Socket, listener: string): void {
    const { counters, signal } = this.#context!;
    const { maxConnections = 0 } = this.#options;
    const open = this.#connections.size + this.#handshakes.size;
    counters.add(Counter.connectionsAccepted);
    if (signal.aborted || (maxConnections > 0 && open >= maxConnections)) {
      counters.add(Counter.connectionsRefused);
      socket.destroy();
      return;
    }
    counters.add(Counter.connectionsOpen);
    if (this.#terminator === null) this.#open(socket, listener, null);
    else {
      this.#handshakes.set(socket, listener);
      this.#terminator.accept(socket);
    }
  }

  #open(socket: Socket, listener: string, tls: TlsDigest | null): void {
    const connection = new TcpConnection(socket, this.#options.idleTimeout ?? 0);
    this.#connections.add(connection);
    socket.setMaxListeners(socket.getMaxListeners() + OWN_LISTENERS);
    socket.once("close", () => this.#forget(connection));
    void this.#run(connection, listener, tls);
  }

  async #run(connection: TcpConnection, listener: string, tls: TlsDigest | null): Promise<void> {
    const { socket } = connection;
    const { remoteAddress: address = "", remotePort: port = 0 } = socket;
    const { reporter, signal } = this.#context!;
    try {
      const done = this.#options.handler(socket, { address, port, listener, tls }, signal);
      if (!isThenable(done)) return;
      await done;
      connection.finish();
    } catch (thrown) {
      if (!connection.isCauseOf(thrown)) reporter?.onServiceError(this.name, thrown);
      connection.cut();
    }
  }

  // ── TLS ────────────────────────────────────────────────────────────────────────────────────────────────────────

  onSecure(socket: TLSSocket, digest: TlsDigest): void {
    const { carrier } = securedSocket(socket)!;
    const listener = this.#handshakes.get(carrier)!;
    this.#handshakes.delete(carrier);
    this.#open(socket, listener, digest);
  }

  onPassed(socket: Socket): void {
    this.#refuse(socket);
    socket.destroy();
  }

  onPlainHttp(socket: Socket): void {
    this.#refuse(socket);
    socket.destroy();
  }

  onFailed({ kind, cause }: TlsFailure, socket: Socket): void {
    this.#refuse(socket);
    const { counters, reporter } = this.#context!;
    if (kind === "timeout") counters.add(Counter.timeouts);
    // The program's own callback.
    if (kind === "choice") reporter?.onServiceError(this.name, cause);
  }

  #refuse(socket: Socket): void {
    const { counters } = this.#context!;
    this.#handshakes.delete(socket);
    counters.add(Counter.connectionsRefused);
    counters.add(Counter.connectionsOpen, -1);
    this.#noteEnd();
  }

  // ── its end ────────────────────────────────────────────────────────────────────────────────────────────────────

  #forget(connection: TcpConnection): void {
    this.#connections.delete(connection);
    this.#context!.counters.add(Counter.connectionsOpen, -1);
    this.#noteEnd();
  }

  #noteEnd(): void {
    if (this.#connections.size === 0 && this.#handshakes.size === 0) this.#onEmpty?.();
  }

  /** Waits for the open connections to end by themselves. */
  drain(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    this.#noteEnd();
    return promise;
  }

  destroy(): void {
    this.#terminator?.destroy();
    this.#context?.counters.add(Counter.connectionsOpen, -this.#handshakes.size);
    this.#handshakes.clear();
    for (const { socket } of this.#connections) socket.destroy();
    this.#noteEnd();
  }
}

function tlsOf({ tls = null, certificateCallback }: TcpServiceOptions): TlsListenerSettings | null {
  if (tls === null && certificateCallback === undefined) return null;
  const settings = toTlsSettings(tls ?? {}, certificateCallback !== undefined);
  if (settings.passthrough.length > 0)
    throw new TypeError("A TCP service passes no connections on: its handler has them all");
  return settings;
}

const lingering = new TimeoutQueue(LINGER);

/** One accepted connection, seen from the service. */
class TcpConnection implements DeadlineOwner {
  readonly socket: Socket;
  /** The socket that the kernel knows. */
  readonly #carrier: Socket;
  readonly #deadline: Deadline = new Deadline(this);
  #taken = 0;

  constructor(socket: Socket, idleTimeout: number) {
    this.socket = socket;
    this.#carrier = securedSocket(socket)?.carrier ?? socket;
    // A connection that breaks is the handler's to notice; without a listener it would be the process's.
    socket.on("error", () => {});
    if (this.#carrier !== socket) socket.once("end", () => isLost(socket, this.#carrier) && socket.destroy());
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
    const taken = takenBytes(this.#carrier);
    if (taken > this.#taken && this.socket.writableLength > 0) lingering.set(this.#deadline);
    else this.socket.destroy();
    this.#taken = taken;
  }

  cut(): void {
    if (!this.socket.destroyed) resetSocket(this.socket, this.#carrier);
  }

  /** True when the handler failed only because its connection did: that is nobody's mistake. */
  isCauseOf(thrown: unknown): boolean {
    const { errored, destroyed } = this.socket;
    if (errored !== null && thrown === errored) return true;
    const code = (thrown as NodeJS.ErrnoException | null | undefined)?.code;
    return destroyed && (code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ABORT_ERR");
  }
}
