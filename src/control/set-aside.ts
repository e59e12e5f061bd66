import ffi from "node:ffi";
import { existsSync, readFileSync } from "node:fs";
import { parseAddress } from "../net/address.ts";
import type { Binding } from "./binding.ts";

/**
 * Sockets that nobody listens on any more, and that couldn't be had again: somebody else has bound them, or it was done with
 * rights that were given up since. They are kept for whoever wants their address back, as a rollback does.
 */
export class SetAside {
  readonly #bindings = new Map<string, Binding>();

  /** Keeps them, if they are of that kind; connections to sockets of our own are refused from then on. */
  put(binding: Binding): boolean {
    if (!binding.isForeign && canBindAgain(binding.address)) return false;
    if (!binding.isForeign) for (const socket of binding.sockets) stopListening(socket.fd());
    this.#bindings.set(binding.address, binding);
    return true;
  }

  /** What is bound to `address`, from now on the caller's; null: nothing is. */
  take(address: string): Binding | null {
    const binding = this.#bindings.get(address) ?? null;
    this.#bindings.delete(address);
    return binding;
  }

  /** Closes our own: other programs may want their ports. Somebody else's are in nobody's way. */
  letGo(): void {
    for (const binding of [...this.#bindings.values()]) if (!binding.isForeign) this.#close(binding);
  }

  close(): void {
    for (const binding of [...this.#bindings.values()]) this.#close(binding);
  }

  #close({ address, sockets }: Binding): void {
    this.#bindings.delete(address);
    for (const socket of sockets) socket.close();
  }
}

/** Some systems let everybody listen everywhere. */
const FIRST_OPEN_PORT = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/** Files of Unix sockets that can't be made anew couldn't be removed either: that is another case. */
function canBindAgain(address: string): boolean {
  const parsed = parseAddress(address);
  if (parsed.kind === "unix" || process.geteuid?.() === 0) return true;
  return !existsSync(FIRST_OPEN_PORT) || parsed.port >= Number(readFileSync(FIRST_OPEN_PORT, "utf8"));
}

/** `SHUT_RDWR` of shutdown(2). */
const BOTH_WAYS = 2;

type Shutdown = (descriptor: number, how: number) => number;

let shutdown: Shutdown | null = null;

/** To clients it is as if the socket were closed, but it stays bound and can be listened on again: so it is on Linux. */
function stopListening(descriptor: number): void {
  shutdown ??= ffi.dlopen(null, { shutdown: { arguments: ["i32", "i32"], return: "i32" } }).functions
    .shutdown as Shutdown;
  // One that wasn't listened on yet is as it should be.
  shutdown(descriptor, BOTH_WAYS);
}
