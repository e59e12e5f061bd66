import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Address } from "./address.ts";
import { formatHostPort } from "./address.ts";

/**
 * What a listener listens on: a descriptor that was bound elsewhere, to the address that `boundTo` tells, or an address
 * of its own.
 */
export type ListenOn = { readonly fd: number; readonly boundTo: string } | { readonly address: Address };

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

/** A listening socket that hands over accepted sockets, not yet reading. */
export class Listener {
  readonly #server: Server;
  /** Node can't tell it of a Unix socket that was bound elsewhere. */
  readonly #boundTo: string | null;

  private constructor(server: Server, on: ListenOn) {
    this.#server = server;
    this.#boundTo = "fd" in on ? on.boundTo : null;
  }

  /** Starts to listen. Rejects when the address can't be bound. */
  static open(on: ListenOn, options: ListenerOptions, events: ListenerEvents): Promise<Listener> {
    const server = createServer(
      {
        allowHalfOpen: true,
        pauseOnConnect: options.pause,
        noDelay: true,
        keepAlive: options.keepAlive > 0,
        keepAliveInitialDelay: options.keepAlive,
      },
      events.onAccept,
    );
    const { promise, resolve, reject } = Promise.withResolvers<Listener>();
    server.once("error", reject);
    // Twice, because Node takes it from the options for an address, and from behind them for a descriptor.
    const { backlog } = options;
    server.listen({ ...target(on), backlog }, backlog, () => {
      server.off("error", reject);
      server.on("error", events.onAcceptError);
      resolve(new Listener(server, on));
    });
    return promise;
  }

  /** The bound address: `host:port`, or the path of a Unix socket. */
  get address(): string {
    if (this.#boundTo !== null) return this.#boundTo;
    const bound = this.#server.address();
    if (bound === null) return "";
    return typeof bound === "string"
      ? `unix:${bound}`
      : formatHostPort(bound.address, (bound as AddressInfo).port);
  }

  get port(): number {
    const bound = this.#server.address();
    return bound === null || typeof bound === "string" ? 0 : bound.port;
  }

  /** Stops accepting; connections that stand are not touched. */
  close(): void {
    this.#server.close();
  }
}

function target(on: ListenOn): { fd: number } | { path: string } | { host?: string; port: number } {
  if ("fd" in on) return { fd: on.fd };
  if (on.address.kind === "unix") return { path: on.address.path };
  const { host, port } = on.address;
  return host === "" ? { port } : { host, port };
}
