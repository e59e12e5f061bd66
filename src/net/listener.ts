import { type AddressInfo, createServer, type Server, Socket } from "node:net";
import type { Address } from "./address.ts";
import { formatHostPort } from "./address.ts";

/**
 * What a listener listens on: descriptors that were bound elsewhere, all of them to the address that `boundTo` tells, or an
 * address of its own.
 */
export type ListenOn = BoundElsewhere | { readonly address: Address };

/** Several where there are more sockets than threads: the kernel spreads connections over all that are bound. */
export interface BoundElsewhere {
  readonly fds: readonly number[];
  readonly boundTo: string;
}

/**
 * Closes descriptors that nobody listens on after all. Not by `fs.close`: a worker thread, in which they weren't opened,
 * would be warned of that.
 */
export function closeUnused({ fds }: BoundElsewhere): void {
  for (const fd of fds) new Socket({ fd, readable: false, writable: false }).destroy();
}

export interface ListenerOptions {
  /** Length of the kernel's queue of connections not yet accepted. */
  readonly backlog: number;
  /** Milliseconds of idleness after which TCP keep-alive probes start; 0 leaves them off. */
  readonly keepAlive: number;
  /** Accepted sockets don't read until somebody resumes or adopts them. */
  readonly pause: boolean;
}

export const DEFAULT_LISTENER_OPTIONS: ListenerOptions = { backlog: 4096, keepAlive: 60_000, pause: true };

export interface ListenerEvents {
  readonly onAccept: (socket: Socket) => void;
  /** A connection could not be accepted (out of descriptors, say); the listener goes on. */
  readonly onAcceptError: (error: Error) => void;
}

/** A listening socket, or several on one address, that hands over accepted sockets, not yet reading. */
export class Listener {
  readonly #servers: readonly Server[];
  /** Node can't tell it of a Unix socket that was bound elsewhere. */
  readonly #boundTo: string | null;

  private constructor(servers: readonly Server[], boundTo: string | null) {
    this.#servers = servers;
    this.#boundTo = boundTo;
  }

  /** Starts to listen. Rejects when the address can't be bound. */
  static async open(on: ListenOn, options: ListenerOptions, events: ListenerEvents): Promise<Listener> {
    if ("fds" in on) {
      const { listener, listening } = Listener.#listen(on, options, events);
      await listening;
      return listener;
    }
    const server = create(options, events);
    await listen(server, target(on.address), options, events);
    return new Listener([server], null);
  }

  /** The same at once: connections are accepted from the next turn on. What goes wrong even so is told as an error of accepting. */
  static openNow(on: BoundElsewhere, options: ListenerOptions, events: ListenerEvents): Listener {
    const { listener, listening } = Listener.#listen(on, options, events);
    listening.catch(events.onAcceptError);
    return listener;
  }

  static #listen(
    { fds, boundTo }: BoundElsewhere,
    options: ListenerOptions,
    events: ListenerEvents,
  ): { listener: Listener; listening: Promise<unknown> } {
    const servers = fds.map(() => create(options, events));
    const listener = new Listener(servers, boundTo);
    const each = servers.map((server, i) => listen(server, { fd: fds[i]! }, options, events));
    const listening = Promise.all(each).catch((error: unknown) => {
      listener.close();
      throw error;
    });
    return { listener, listening };
  }

  /** The bound address: `host:port`, or the path of a Unix socket. */
  get address(): string {
    if (this.#boundTo !== null) return this.#boundTo;
    const bound = this.#servers[0]!.address();
    if (bound === null) return "";
    return typeof bound === "string"
      ? `unix:${bound}`
      : formatHostPort(bound.address, (bound as AddressInfo).port);
  }

  get port(): number {
    const bound = this.#servers[0]!.address();
    return bound === null || typeof bound === "string" ? 0 : bound.port;
  }

  /** Stops accepting; connections that stand are not touched. */
  close(): void {
    for (const server of this.#servers) server.close();
  }
}

function create(options: ListenerOptions, { onAccept }: ListenerEvents): Server {
  return createServer(
    {
      allowHalfOpen: true,
      pauseOnConnect: options.pause,
      noDelay: true,
      keepAlive: options.keepAlive > 0,
      keepAliveInitialDelay: options.keepAlive,
    },
    onAccept,
  );
}

type Target = { fd: number } | { path: string } | { host?: string; port: number };

function listen(
  server: Server,
  on: Target,
  { backlog }: ListenerOptions,
  { onAcceptError }: ListenerEvents,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  // Twice, because Node takes it from the options for an address, and from behind them for a descriptor.
  server.listen({ ...on, backlog }, backlog, () => {
    server.off("error", reject);
    server.on("error", onAcceptError);
    resolve();
  });
  return promise;
}

function target(address: Address): Target {
  if (address.kind === "unix") return { path: address.path };
  const { host, port } = address;
  return host === "" ? { port } : { host, port };
}
