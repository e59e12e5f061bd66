import { lookup } from "node:dns/promises";
import { unlinkSync } from "node:fs";
import { BoundSocket, connect, isIP } from "node:net";
import { type Address, formatAddress, formatHostPort, parseAddress } from "../net/address.ts";
import { duplicateDescriptor } from "./duplicate.ts";

/** A bound address: one socket for each thread on TCP, where the kernel spreads connections; one for all otherwise. */
interface Binding {
  readonly address: string;
  readonly sockets: readonly BoundSocket[];
  readonly path: string | null;
}

/** A socket to listen on, and the address it is bound to. */
export interface Loan {
  readonly fd: number;
  readonly boundTo: string;
}

/**
 * Binds the addresses that are listened on and lends their sockets to workers. The sockets stay here for as long as the
 * process listens: a worker that crashes takes its duplicate with it, and its replacement goes on with the connections
 * that wait in the same queue.
 *
 *     SocketKeeper:  BoundSocket per thread ──dup──▶ descriptor ──▶ worker's listen({ fd })
 */
export class SocketKeeper {
  readonly #threads: number;
  readonly #bindings = new Map<string, Promise<Binding>>();

  constructor(threads: number) {
    this.#threads = threads;
  }

  /** The bound addresses, with the ports they got. */
  async addresses(): Promise<string[]> {
    const bindings = await Promise.all(this.#bindings.values());
    return bindings.map((binding) => binding.address);
  }

  /**
   * A socket for thread `thread` to listen on, the thread's to close; binds `address` when it is asked for the first time.
   * @param nth which of a thread's listeners on that address, from 0: those on port 0 get a port each
   */
  async lend(address: string, thread: number, nth: number): Promise<Loan> {
    const parsed = parseAddress(address);
    if (nth > 0 && (parsed.kind === "unix" || parsed.port > 0))
      throw new Error(`Two listeners are on ${address}`);
    const key = `${address} ${nth}`;
    const binding = this.#bindings.getOrInsertComputed(key, () => this.#bind(parsed));
    // A failed attempt isn't remembered: the address may be free the next time.
    binding.catch(() => this.#bindings.delete(key));
    const { sockets, address: boundTo } = await binding;
    return { fd: duplicateDescriptor(sockets[thread % sockets.length]!.fd()), boundTo };
  }

  /** Ends listening: once the workers close theirs too, the kernel refuses connections. */
  async close(): Promise<void> {
    for (const pending of this.#bindings.values()) {
      const binding = await pending.catch(() => null);
      for (const socket of binding?.sockets ?? []) socket.close();
      if (binding !== null && binding.path !== null) removeSocketFile(binding.path);
    }
    this.#bindings.clear();
  }

  async #bind(address: Address): Promise<Binding> {
    if (address.kind === "unix") return bindPath(address.path);
    const host = await toNumericHost(address.host);
    const first = bindTcp(host, address.port, this.#threads > 1);
    const { port } = first.address();
    const others = Array.from({ length: this.#threads - 1 }, () => bindTcp(host, port, true));
    return { address: formatHostPort(host, port), sockets: [first, ...others], path: null };
  }
}

/** Port 0 is settled by the first socket; the others join it. */
function bindTcp(host: string, port: number, reusePort: boolean): BoundSocket {
  try {
    return new BoundSocket({ host, port, reusePort });
  } catch (error) {
    throw explain(error, formatHostPort(host, port));
  }
}

function explain(error: unknown, address: string): Error {
  const { code = "" } = error as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    EADDRINUSE: "another program listens there already",
    EACCES: "ports below 1024 need more rights",
    EADDRNOTAVAIL: "this machine has no such address",
  };
  return new Error(`Can't listen on ${address}: ${reasons[code] ?? String(error)}`, { cause: error });
}

/** All interfaces where no host is named: IPv6 with IPv4 where there is IPv6. */
async function toNumericHost(host: string): Promise<string> {
  if (host === "" || host === "*") return hasIpv6() ? "::" : "0.0.0.0";
  if (isIP(host) !== 0) return host;
  const { address } = await lookup(host, { family: host === "localhost" ? 4 : 0 });
  return address;
}

function hasIpv6(): boolean {
  try {
    new BoundSocket({ host: "::", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}

async function bindPath(path: string): Promise<Binding> {
  const address = formatAddress({ kind: "unix", path });
  const isFile = !path.startsWith("\0");
  if (isFile) await removeStaleSocket(path);
  try {
    return { address, sockets: [new BoundSocket({ path } as never)], path: isFile ? path : null };
  } catch (error) {
    throw explain(error, address);
  }
}

/** A socket file that nobody listens on is what a killed process left behind. */
async function removeStaleSocket(path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const probe = connect({ path }, () => resolve(undefined));
  probe.on("error", (error: NodeJS.ErrnoException) => resolve(error.code));
  const code = await promise;
  probe.destroy();
  if (code === "ECONNREFUSED") removeSocketFile(path);
}

function removeSocketFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
