import ffi from "node:ffi";
import { SocketAddress } from "node:net";
import { endianness } from "node:os";
import { formatAddress } from "../../net/address.ts";
import { systemError } from "../last-error.ts";

/** A socket that somebody else has made. */
export interface InspectedSocket {
  /** As listeners name it: `host:port`, `[v6]:port` or `unix:/path`. */
  readonly address: string;
  /** False for one of datagrams. */
  readonly isStream: boolean;
  /** True for a connection: somebody is at its other end. */
  readonly isConnected: boolean;
}

/* Linux, where these numbers are the same on x64 and arm64. */
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SOCK_STREAM = 1;
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** Bytes of the longest address, a Unix socket's. */
const LONGEST = 110;

interface Libc {
  getsockname(socket: number, address: Uint8Array, length: Uint8Array): number;
  getpeername(socket: number, address: Uint8Array, length: Uint8Array): number;
  getsockopt(socket: number, level: number, option: number, value: Uint8Array, length: Uint8Array): number;
  fcntl(descriptor: number, command: number, argument: number): number;
}

let loaded: Libc | null = null;

/**
 * What kind of socket a descriptor is, and where it is bound. Programs that are started from here won't get it.
 * @throws Error when it is none, or of a family that isn't known
 */
export function inspectSocket(descriptor: number): InspectedSocket {
  loaded ??= load();
  const address = Buffer.alloc(LONGEST);
  const length = cInt(address.length);
  if (loaded.getsockname(descriptor, address, length) < 0) throw systemError("getsockname");
  const type = cInt(0);
  if (loaded.getsockopt(descriptor, SOL_SOCKET, SO_TYPE, type, cInt(type.length)) < 0)
    throw systemError("getsockopt");
  if (loaded.fcntl(descriptor, F_SETFD, FD_CLOEXEC) < 0) throw systemError("fcntl");
  const size = readCInt(length);
  const isConnected = loaded.getpeername(descriptor, Buffer.alloc(LONGEST), cInt(LONGEST)) === 0;
  const isStream = readCInt(type) === SOCK_STREAM;
  return { address: readSocketAddress(address.subarray(0, size)), isStream, isConnected };
}

/**
 * An address as the kernel writes it: the family in the machine's order, ports in that of networks.
 * @throws Error for families that nobody listens on here
 */
export function readSocketAddress(bytes: Buffer): string {
  const family = IS_LITTLE ? bytes.readUInt16LE(0) : bytes.readUInt16BE(0);
  switch (family) {
    case AF_INET:
      return formatAddress({
        kind: "tcp",
        host: bytes.subarray(4, 8).join("."),
        port: bytes.readUInt16BE(2),
      });
    case AF_INET6:
      return formatAddress({
        kind: "tcp",
        host: readIpv6(bytes.subarray(8, 24)),
        port: bytes.readUInt16BE(2),
      });
    case AF_UNIX:
      return formatAddress({ kind: "unix", path: readPath(bytes.subarray(2)) });
    default:
      throw new Error(`sockets of family ${family} aren't known`);
  }
}

/** In its shortest form. */
function readIpv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address;
}

/** An abstract name begins with a zero, and may hold others; a path ends with one. */
function readPath(bytes: Buffer): string {
  const text = bytes.toString();
  return text.startsWith("\0") ? text : text.replace(/\0.*$/s, "");
}

const IS_LITTLE = endianness() === "LE";

function cInt(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  if (IS_LITTLE) bytes.writeInt32LE(value);
  else bytes.writeInt32BE(value);
  return bytes;
}

function readCInt(bytes: Buffer): number {
  return IS_LITTLE ? bytes.readInt32LE() : bytes.readInt32BE();
}

function load(): Libc {
  return ffi.dlopen(null, {
    getsockname: { arguments: ["i32", "pointer", "pointer"], return: "i32" },
    getpeername: { arguments: ["i32", "pointer", "pointer"], return: "i32" },
    getsockopt: { arguments: ["i32", "i32", "i32", "pointer", "pointer"], return: "i32" },
    fcntl: { arguments: ["i32", "i32", "i32"], return: "i32" },
  }).functions as unknown as Libc;
}
