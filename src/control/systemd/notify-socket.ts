import ffi from "node:ffi";
import { closeSync } from "node:fs";
import { systemError } from "../last-error.ts";
import { toUnixAddress } from "../unix-socket.ts";

/*
 * Datagrams to a Unix socket, which Node doesn't have: sd_notify(3), unix(7). Linux, where these numbers are the same on
 * x64 and arm64.
 */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;

interface Libc {
  socket(family: number, type: number, protocol: number): number;
  sendto(
    socket: number,
    bytes: Uint8Array,
    length: bigint,
    flags: number,
    to: Uint8Array,
    size: number,
  ): bigint;
}

/** A socket that speaks to one other, for as long as the process lives. */
export class NotifySocket {
  readonly #libc: Libc;
  readonly #descriptor: number;
  readonly #address: Buffer;

  /**
   * @param path a file, or `@name` for one that has none
   * @throws Error when there can't be such a socket
   */
  constructor(path: string) {
    this.#address = toSocketAddress(path);
    this.#libc = load();
    this.#descriptor = this.#libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (this.#descriptor < 0) throw systemError("socket");
  }

  /** @throws Error with Node's code when nobody is there, or has room */
  send(text: string): void {
    const bytes = Buffer.from(text);
    const { length } = this.#address;
    const taken = this.#libc.sendto(
      this.#descriptor,
      bytes,
      BigInt(bytes.length),
      MSG_NOSIGNAL,
      this.#address,
      length,
    );
    if (taken < 0n) throw systemError("sendto");
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

function toSocketAddress(path: string): Buffer {
  if (!/^[/@]./.test(path)) throw new Error(`${path} is neither a path nor an abstract name`);
  const address = toUnixAddress(path.replace(/^@/, "\0"));
  if (address === null) throw new Error(`${path} is too long for a socket`);
  return address;
}

function load(): Libc {
  return ffi.dlopen(null, {
    socket: { arguments: ["i32", "i32", "i32"], return: "i32" },
    sendto: { arguments: ["i32", "pointer", "u64", "i32", "pointer", "u32"], return: "i64" },
  }).functions as unknown as Libc;
}
