import ffi from "node:ffi";
import { closeSync, readSync, rmSync } from "node:fs";

/** A stand-in for a service manager: a Unix socket for datagrams, of which it tells what came. */
export interface NotifyServer extends Disposable {
  /** What came since the last time, in order. */
  read(): string[];
}

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;

interface Libc {
  socket(family: number, type: number, protocol: number): number;
  bind(socket: number, address: Uint8Array, length: number): number;
}

/** @param path a file, or `@name` for a socket without one */
export function createNotifyServer(path: string): NotifyServer {
  const libc = ffi.dlopen(null, {
    socket: { arguments: ["i32", "i32", "i32"], return: "i32" },
    bind: { arguments: ["i32", "pointer", "u32"], return: "i32" },
  }).functions as unknown as Libc;
  const descriptor = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  const address = Buffer.from(`\u0001\0${path.replace(/^@/, "\0")}${path.startsWith("@") ? "" : "\0"}`);
  if (descriptor < 0 || libc.bind(descriptor, address, address.length) < 0)
    throw new Error(`Nobody can listen for datagrams on ${path}`);
  return {
    read: () => readAll(descriptor),
    [Symbol.dispose]() {
      closeSync(descriptor);
      if (!path.startsWith("@")) rmSync(path, { force: true });
    },
  };
}

function readAll(descriptor: number): string[] {
  const messages: string[] = [];
  const bytes = Buffer.alloc(4096);
  for (;;) {
    try {
      messages.push(bytes.toString("utf8", 0, readSync(descriptor, bytes)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return messages;
      throw error;
    }
  }
}
