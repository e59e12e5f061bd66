import type { Socket } from "node:net";

/**
 * What Node's sockets know and have no public name for. Each function has a meaning without the internals too, for a
 * runtime that lacks them.
 */

interface Internals {
  readonly _handle?: { readonly bytesWritten?: number; readonly writeQueueSize?: number } | null;
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
