import { allocateCounters, type CounterName, Counters, sumCounters } from "../base/counters.ts";
import { parseAddress } from "../net/address.ts";
import type { ErrorReporter } from "./http-proxy.ts";
import type { ProxyPhases } from "./phases.ts";
import { toServices } from "./program.ts";
import { Server } from "./server.ts";
import type { ServerDefinition, Service } from "./service.ts";

export interface ServeOptions {
  /**
   * Where to listen, for a definition that names no address: `host:port`, `:port`, `[v6]:port`, `unix:/path`. Default
   * `127.0.0.1:0`, a port of the kernel's choice.
   */
  readonly bind?: string | readonly string[];
  /** Hears of what goes wrong; `about` names the request, listener or service. Default: nobody does. */
  readonly onError?: (error: unknown, about: string) => void;
}

/** A server that runs in the calling thread. It keeps the process alive until it is closed. */
export interface RunningServer extends AsyncDisposable {
  /** What is listened on, with the ports that the kernel chose. */
  readonly addresses: readonly string[];
  /** The port of the first address; 0 when there is none or it is a Unix socket. */
  readonly port: number;
  /** The ports of all addresses, 0 for Unix sockets. */
  readonly ports: readonly number[];
  /** What was counted so far, and what is under way. */
  readonly counters: Readonly<Record<CounterName, number>>;
  /**
   * Stops listening at once, lets what is under way finish for at most `grace` milliseconds (default 5000), then cuts it.
   * A second call waits for the first.
   */
  close(options?: { readonly grace?: number }): Promise<void>;
}

const DEFAULT_BIND = "127.0.0.1:0";
const DEFAULT_GRACE = 5_000;

/**
 * Runs a proxy, a server of several services or single services in the calling thread; resolves once all of them are
 * ready and listened on. Rejects when one can't start or listen, and with TypeError when the definition is none, having
 * opened nothing.
 */
export async function serve<C>(
  definition: ProxyPhases<C> | ServerDefinition | Service | readonly Service[],
  options: ServeOptions = {},
): Promise<RunningServer> {
  const { bind, onError } = options;
  const binds = typeof bind === "string" ? [bind] : bind;
  const memory = allocateCounters(1);
  const server = new Server(toServices(definition, binds ?? [], DEFAULT_BIND), {
    counters: new Counters(memory, 0),
    reporter: onError === undefined ? null : toReporter(onError),
  });
  await server.start();
  return new LocalServer(server, memory);
}

class LocalServer implements RunningServer {
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
  readonly #server: Server;
  readonly #memory: SharedArrayBuffer;
  #closed: Promise<void> | null = null;

  constructor(server: Server, memory: SharedArrayBuffer) {
    this.addresses = server.addresses;
    this.ports = this.addresses.map(portOf);
    this.#server = server;
    this.#memory = memory;
  }

  get port(): number {
    return this.ports[0] ?? 0;
  }

  get counters(): Record<CounterName, number> {
    return sumCounters(this.#memory, 1);
  }

  close(options: { readonly grace?: number } = {}): Promise<void> {
    this.#closed ??= this.#server.drain(options.grace ?? DEFAULT_GRACE);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function portOf(text: string): number {
  const address = parseAddress(text);
  return address.kind === "tcp" ? address.port : 0;
}

function toReporter(onError: NonNullable<ServeOptions["onError"]>): ErrorReporter {
  return {
    onSessionError: (error, summary) => onError(error, summary),
    onListenerError: (listener, error) => onError(error, listener),
    onServiceError: (service, error) => onError(error, service),
  };
}
