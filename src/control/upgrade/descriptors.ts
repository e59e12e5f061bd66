import ffi from "node:ffi";
import { lastErrorCode } from "../last-error.ts";

/**
 * Open descriptors through a Unix socket: unix(7), SCM_RIGHTS. Node passes handles to its own children only, and only those
 * that it made itself; here the C library is asked. Linux on 64 bits, where all of these numbers and layouts are the same
 * on every processor with the lower byte first.
 *
 *     msghdr      name 0 · its length 8 · iovec 16 · their number 24 · control 32 · its length 40 · flags 48
 *     iovec       bytes 0 · their length 8
 *     control     length 0 · level 8 · type 12 · descriptors 16 …
 */
const MSGHDR = 56;
const IOVEC = 16;
const CMSGHDR = 16;

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SCM_RIGHTS = 1;
const MSG_CTRUNC = 0x8;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;

/** The kernel passes no more with one message (SCM_MAX_FD). */
export const MOST_DESCRIPTORS = 253;
/** Bytes that are read at once. */
const PIECE = 64 * 1024;

/** What says that there is no room, or nothing there, for now. ETOOMANYREFS: of descriptors that are on their way. */
const NOT_NOW: ReadonlySet<string> = new Set(["EAGAIN", "EINTR", "ENOBUFS", "ETOOMANYREFS"]);

/** Whoever is at the other end of a Unix socket; of one that listens, whoever began to. */
export interface PeerUser {
  readonly pid: number;
  readonly uid: number;
}

/** What came with one message. */
export interface ReceivedPiece {
  /** None: nothing will come any more. */
  readonly bytes: Buffer;
  /** The receiver's to close. They aren't passed on to programs that are started. */
  readonly descriptors: readonly number[];
}

/** True where descriptors can be passed. */
export const canPassDescriptors: boolean =
  process.platform === "linux" && (process.arch === "x64" || process.arch === "arm64");

/**
 * Sends `bytes` with copies of `descriptors` behind what was sent before; returns how many bytes were taken, and with the
 * first of them all descriptors. 0: nothing can be taken for now.
 * @param bytes at least one, for descriptors don't travel alone
 * @throws Error with Node's code
 */
export function sendPiece(socket: number, bytes: Uint8Array, descriptors: readonly number[]): number {
  const control = Buffer.alloc(descriptors.length === 0 ? 0 : controlLength(descriptors.length));
  if (descriptors.length > 0) {
    control.writeBigUInt64LE(BigInt(CMSGHDR + 4 * descriptors.length), 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    for (const [i, descriptor] of descriptors.entries()) control.writeInt32LE(descriptor, CMSGHDR + 4 * i);
  }
  const header = toHeader(bytes, control);
  return call("sendmsg", libc().sendmsg(socket, header, MSG_DONTWAIT | MSG_NOSIGNAL)) ?? 0;
}

/**
 * Takes what came with the next message; null when nothing is there yet.
 * @throws Error with Node's code; `EMSGSIZE` when descriptors were lost because this process may have no more
 */
export function receivePiece(socket: number): ReceivedPiece | null {
  const bytes = Buffer.allocUnsafeSlow(PIECE);
  const control = Buffer.alloc(controlLength(MOST_DESCRIPTORS));
  const header = toHeader(bytes, control);
  const length = call("recvmsg", libc().recvmsg(socket, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  if (length === null) return null;
  const descriptors = readDescriptors(control, Number(header.readBigUInt64LE(40)));
  if ((header.readInt32LE(48) & MSG_CTRUNC) !== 0) {
    closeAll(descriptors);
    throw Object.assign(new Error("recvmsg: not all descriptors could be taken"), { code: "EMSGSIZE" });
  }
  return { bytes: bytes.subarray(0, length), descriptors };
}

/** Who is at the other end. @throws Error with Node's code */
export function peerOf(socket: number): PeerUser {
  const credentials = Buffer.alloc(12);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(credentials.length);
  call("getsockopt", BigInt(libc().getsockopt(socket, SOL_SOCKET, SO_PEERCRED, credentials, length)));
  return { pid: credentials.readInt32LE(0), uid: credentials.readUInt32LE(4) };
}

/** Closes descriptors that nobody wants. */
export function closeAll(descriptors: readonly number[]): void {
  for (const descriptor of descriptors) libc().close(descriptor);
}

/** Control data is padded to words. */
function controlLength(descriptors: number): number {
  return CMSGHDR + 8 * Math.ceil(descriptors / 2);
}

/** What the last header refers to by address alone, which keeps nothing from being collected. */
const inUse: { memory: readonly Uint8Array[] } = { memory: [] };

/** The header with its one iovec behind it, good until the next one is made. */
function toHeader(bytes: Uint8Array, control: Buffer): Buffer {
  inUse.memory = [bytes, control];
  const header = Buffer.alloc(MSGHDR + IOVEC);
  header.writeBigUInt64LE(ffi.getRawPointer(header) + BigInt(MSGHDR), 16);
  header.writeBigUInt64LE(1n, 24);
  if (control.length > 0) header.writeBigUInt64LE(ffi.getRawPointer(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  header.writeBigUInt64LE(ffi.getRawPointer(bytes), MSGHDR);
  header.writeBigUInt64LE(BigInt(bytes.byteLength), MSGHDR + 8);
  return header;
}

/** The kernel puts all that came with one message into one piece of control data. */
function readDescriptors(control: Buffer, length: number): number[] {
  if (length < CMSGHDR) return [];
  const end = Math.min(Number(control.readBigUInt64LE(0)), length);
  const isRights = control.readInt32LE(8) === SOL_SOCKET && control.readInt32LE(12) === SCM_RIGHTS;
  if (!isRights) return [];
  return Array.from({ length: (end - CMSGHDR) >> 2 }, (_, i) => control.readInt32LE(CMSGHDR + 4 * i));
}

/** What a call returned; null when it should be tried again. */
function call(name: string, returned: bigint): number | null {
  if (returned >= 0n) return Number(returned);
  const code = lastErrorCode();
  if (NOT_NOW.has(code)) return null;
  throw Object.assign(new Error(`${name}: ${code}`), { code });
}

interface Libc {
  sendmsg(socket: number, header: Uint8Array, flags: number): bigint;
  recvmsg(socket: number, header: Uint8Array, flags: number): bigint;
  getsockopt(socket: number, level: number, option: number, value: Uint8Array, length: Uint8Array): number;
  close(descriptor: number): number;
}

let loaded: Libc | null = null;

function libc(): Libc {
  loaded ??= ffi.dlopen(null, {
    sendmsg: { arguments: ["i32", "pointer", "i32"], return: "i64" },
    recvmsg: { arguments: ["i32", "pointer", "i32"], return: "i64" },
    getsockopt: { arguments: ["i32", "i32", "i32", "pointer", "pointer"], return: "i32" },
    close: { arguments: ["i32"], return: "i32" },
  }).functions as unknown as Libc;
  return loaded;
}
