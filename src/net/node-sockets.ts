import type { Socket } from "node:net";

/**
 * What Node's sockets know and have no public name for. Each function has a meaning without the internals too, for a
 * runtime that lacks them.
 */

interface Internals {
  readonly _handle?: {
    readonly fd?: number;
    readonly bytesWritten?: number;
    readonly writeQueueSize?: number;
    readonly reading?: boolean;
    readStart?(): number;
    readStop?(): number;
    getpeername?(address: object): number;
  } | null;
  readonly _writableState?: { needDrain?: boolean };
}

/**
 * Bytes the kernel has taken of what was written, exact also while one large write is under way; only ever grows. What
 * is still queued can't tell progress: when a write is done, the queue takes in the next one and may be longer than
 * before. Over TLS it moves by whole writes only.
 */
export function takenBytes(socket: Socket): number {
  const { bytesWritten, writeQueueSize } = (socket as Internals)._handle ?? {};
  if (bytesWritten !== undefined && writeQueueSize !== undefined) return bytesWritten - writeQueueSize;
  return socket.bytesWritten - socket.writableLength;
}

/** Asks for a `'drain'` event after a write that has to wait: Node emits it only where it called the socket full. */
export function wantDrain(socket: Socket): void {
  const { _writableState } = socket as Internals;
  if (_writableState !== undefined) _writableState.needDrain = true;
}

/**
 * Whether the end that `socket` has just read is that of the connection beneath it, and not one that TLS told of: then what came
 * may have been cut by anybody (RFC 8446 §6.1). Node's TLS sockets tell of both in the same way, but libuv doesn't read on behind
 * an end. Only while the end is handled; without the internals it is false.
 * @param carrier what the encrypted bytes go through
 */
export function endsUnsaid(socket: Socket, carrier: Socket): boolean {
  // Who doesn't read can't have come to the connection's end: this one stood behind bytes that were read before.
  if ((socket as Internals)._handle?.reading !== true) return false;
  const handle = (carrier as Internals)._handle;
  if (handle?.readStart?.() !== 0) return false;
  handle.readStop?.();
  return true;
}

/**
 * Whether the connection of `socket` is over without our having ended it: its peer has reset it, whoever was told of that. The
 * kernel tells it once, and then of an end. Without the internals it is false.
 */
export function wasReset(socket: Socket): boolean {
  return ((socket as Internals)._handle?.getpeername?.({}) ?? 0) !== 0;
}

/** The descriptor of a socket that is open; null where it has none. */
export function descriptorOf(socket: Socket): number | null {
  const { fd = -1 } = (socket as Internals)._handle ?? {};
  return fd < 0 ? null : fd;
}

/**
 * Leaves in the kernel what comes from now on, for somebody else to read, until the function that it returns is called. Node's own
 * `pause()` reads on until its buffer is full.
 */
export function leaveUnread(socket: Socket): () => void {
  (socket as Internals)._handle?.readStop?.();
  return () => void (socket as Internals)._handle?.readStart?.();
}
