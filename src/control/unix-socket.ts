import ffi from "node:ffi";
import { closeSync, fchmodSync } from "node:fs";
import { BoundSocket } from "node:net";
import { endianness } from "node:os";
import { lastErrorCode, systemError } from "./last-error.ts";

/* unix(7). Linux, where these numbers are the same on x64 and arm64. */
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;

/** For nobody but its user. */
const PRIVATE = 0o600;

/** Bytes of a path with the zero that ends it. */
const LONGEST_PATH = 108;

/** A bound socket. */
interface UnixSocket {
  fd(): number;
  close(): void;
}

/**
 * Binds a Unix socket whose file stays when it is closed: a successor may listen on it. Node removes the file of every socket that it
 * has bound itself, even while the process ends.
 * @param path a zero at its beginning makes it one without a file
 * @param isPrivate nobody else may connect to it; on Linux only
 * @throws Error with the code that Node's own would have
 */
export function bindUnixSocket(path: string, isPrivate: boolean = false): UnixSocket {
  if (process.platform !== "linux") return new BoundSocket({ path } as never);
  const address = toUnixAddress(path);
  if (address === null) throw Object.assign(new Error(`${path} is too long`), { code: "EINVAL" });
  const { socket, bind } = libc();
  const descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) throw systemError("socket");
  // The file is made with the rights that the socket has: by its path it could be another one's by then.
  if (isPrivate) fchmodSync(descriptor, PRIVATE);
  if (bind(descriptor, address, address.length) < 0) {
    const code = lastErrorCode();
    closeSync(descriptor);
    throw Object.assign(new Error(`bind: ${code}`), { code: code === "ENOENT" ? "EACCES" : code });
  }
  return { fd: () => descriptor, close: () => closeSync(descriptor) };
}

/** The family, then the path: with a zero behind it, or for one without a file with a zero before it. Null: it is too long. */
export function toUnixAddress(path: string): Buffer | null {
  const bytes = Buffer.from(path.startsWith("\0") ? path : `${path}\0`);
  if (bytes.length > LONGEST_PATH) return null;
  const family = Buffer.alloc(2);
  family[endianness() === "LE" ? 0 : 1] = AF_UNIX;
  return Buffer.concat([family, bytes]);
}

interface Libc {
  socket(family: number, type: number, protocol: number): number;
  bind(socket: number, address: Uint8Array, length: number): number;
}

let loaded: Libc | null = null;

function libc(): Libc {
  loaded ??= ffi.dlopen(null, {
    socket: { arguments: ["i32", "i32", "i32"], return: "i32" },
    bind: { arguments: ["i32", "pointer", "u32"], return: "i32" },
  }).functions as unknown as Libc;
  return loaded;
}
