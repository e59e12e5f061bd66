import type { Socket } from "node:net";
import { type OutputOwner, output } from "./output.ts";
import {
  returnBulkSlab,
  returnOutputSlab,
  type Slab,
  sharedReadSlab,
  takeBulkSlab,
} from "./slabs.ts";

/** What a connection tells its user. */
export interface TransportHandler {
  /** Bytes came in. They are borrowed: valid until this returns. */
  onData(bytes: Buffer, start: number, end: number): void;
  /** The peer has ended its direction. */
  onEnd(): void;
  /** More is waiting to be sent than should be: stop producing until `onDrain`. */
  onBlocked(): void;
  /** All that was waiting has been sent; after `end`, also the end itself. */
  onDrain(): void;
  /** The connection is gone; nothing follows. */
  onClose(error: Error | null): void;
}

/** Below this, copying into the output slab is cheaper than a write of its own. */
const COPY_LIMIT = 8 * 1024;
/** A read of less than this fits the shared slab: the connection gives up a slab of its own. */
const BULK_THRESHOLD = 64 * 1024;

/** The slab whose bytes are being handled right now; a writer marks it when a view of it has to wait. */
let reading: Slab | null = null;

/**
 * A byte stream over a socket, with borrowed reads, gathered writes and backpressure both ways. It doesn't know what
 * the bytes mean.
 *
 *     shared slab ── a read fills it ──▶ bulk slab of its own (no copies) ── a small read ──▶ shared slab
 */
export class Transport implements OutputOwner {
  readonly socket: Socket;
  handler: TransportHandler;
  /** True between `onBlocked` and `onDrain`. */
  blocked = false;
  closed = false;
  /** True once the peer has ended its direction. */
  ended = false;
  #paused = false;
  #slab: Slab = sharedReadSlab;
  /** What pending writes refer to, given back when they are done. */
  #heldOutput: Buffer | null = null;
  #heldBulk: Slab | null = null;
  #error: Error | null = null;

  constructor(socket: Socket, handler: TransportHandler) {
    this.socket = socket;
    this.handler = handler;
  }

  /** The client's address, "" once it is unknown or on a Unix socket. */
  get remoteAddress(): string {
    return this.socket.remoteAddress ?? "";
  }

  /**
   * Sends `bytes[start..end)`. Borrowed or small bytes are copied and leave when the turn ends; others are written from
   * where they are, so their owner must not change them any more.
   */
  send(bytes: Buffer, start: number, end: number): void {
    if (this.closed || start === end) return;
    if (bytes === sharedReadSlab.buffer || end - start < COPY_LIMIT) {
      output.copy(this, bytes, start, end);
      return;
    }
    output.flushFor(this);
    const flushed = this.#write(bytes.subarray(start, end));
    if (flushed || reading === null || bytes !== reading.buffer) return;
    reading.held = true;
    this.#heldBulk = reading;
  }

  sendText(text: string): void {
    if (!this.closed) output.text(this, text);
  }

  /** @internal for `Output` */
  writeGathered(view: Buffer, slab: Buffer): boolean {
    if (this.closed) return true;
    // Behind a write that waits already, a right-sized copy is better than to give a whole slab away.
    if (this.socket.writableLength > 0) {
      this.#write(Buffer.from(view));
      return true;
    }
    const flushed = this.#write(view);
    if (!flushed) this.#heldOutput = slab;
    return flushed;
  }

  /** True when nothing of it has to wait. */
  #write(view: Buffer): boolean {
    const { socket } = this;
    const below = socket.write(view);
    if (!below && !this.blocked && !this.closed) {
      this.blocked = true;
      this.handler.onBlocked();
    }
    return socket.writableLength === 0;
  }

  /** Bytes the kernel hasn't taken yet, exact also while one large write is under way. */
  get unsentBytes(): number {
    const { _handle } = this.socket as Socket & { _handle?: { writeQueueSize?: number } | null };
    return _handle?.writeQueueSize ?? this.socket.writableLength;
  }

  /** Stops reading; the peer feels it once the kernel's buffer is full. */
  pause(): void {
    if (this.#paused || this.closed) return;
    this.#paused = true;
    this.socket.pause();
  }

  resume(): void {
    if (!this.#paused || this.closed) return;
    this.#paused = false;
    this.socket.resume();
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Ends our direction once everything is sent. */
  end(): void {
    if (this.closed) return;
    output.flushFor(this);
    this.socket.end();
  }

  /** Closes both directions now; what is waiting is lost. */
  destroy(): void {
    if (this.closed) return;
    output.flushFor(this);
    this.socket.destroy();
  }

  /** Closes with a TCP reset, so that the peer can't take a cut message for a whole one. */
  reset(): void {
    if (this.closed) return;
    output.flushFor(this);
    if (this.socket.destroyed) return;
    if ("resetAndDestroy" in this.socket) this.socket.resetAndDestroy();
    else this.destroy();
  }

  /** @internal the read callback: returns the slab to read into next, or null to keep the one there is. */
  handleRead(size: number): Buffer | null {
    const slab = this.#slab;
    reading = slab;
    output.beginTurn();
    try {
      this.handler.onData(slab.buffer, 0, size);
    } finally {
      reading = null;
      output.endTurn();
    }
    return this.#nextSlab(slab, size);
  }

  /** @internal a read into a buffer that is already ours alone. */
  handleOwnedRead(bytes: Buffer): void {
    output.beginTurn();
    try {
      this.handler.onData(bytes, 0, bytes.length);
    } finally {
      output.endTurn();
    }
  }

  #nextSlab(slab: Slab, size: number): Buffer | null {
    if (slab === sharedReadSlab) {
      if (size < slab.buffer.length || this.closed) return null;
      this.#slab = takeBulkSlab();
      return this.#slab.buffer;
    }
    if (!slab.held && size >= BULK_THRESHOLD && !this.closed) return null;
    // A held slab comes back through the writer that waits with it.
    if (!slab.held) returnBulkSlab(slab);
    this.#slab = sharedReadSlab;
    return sharedReadSlab.buffer;
  }

  /** @internal */
  handleDrain(): void {
    this.#releaseHeld();
    if (!this.blocked) return;
    this.blocked = false;
    this.handler.onDrain();
  }

  /** @internal our direction is ended and everything is sent. */
  handleFinish(): void {
    this.#releaseHeld();
    this.blocked = false;
    if (!this.closed) this.handler.onDrain();
  }

  #releaseHeld(): void {
    if (this.#heldOutput !== null) returnOutputSlab(this.#heldOutput);
    if (this.#heldBulk !== null) {
      this.#heldBulk.held = false;
      returnBulkSlab(this.#heldBulk);
    }
    this.#heldOutput = null;
    this.#heldBulk = null;
  }

  /** @internal */
  handleEnd(): void {
    if (this.ended || this.closed) return;
    this.ended = true;
    this.handler.onEnd();
  }

  /** @internal */
  handleError(error: Error): void {
    this.#error = error;
  }

  /** @internal */
  handleClose(): void {
    if (this.closed) return;
    this.closed = true;
    // Slabs of cancelled writes aren't reused: the kernel's side may still be winding down.
    this.#heldOutput = null;
    this.#heldBulk = null;
    this.handler.onClose(this.#error);
  }
}
