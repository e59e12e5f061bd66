import type { Socket } from "node:net";
import { beginTurn, endTurn } from "../base/turn-clock.ts";
import { areKept, KeptWriter, type KeptWriterOwner } from "./keepers.ts";
import { endsUnsaid, takenBytes } from "./node-sockets.ts";
import { output } from "./output.ts";
import { meetReset, resetSocket } from "./reset-socket.ts";
import {
  COPY_LIMIT,
  holdLent,
  holdSlab,
  isFleeting,
  isLent,
  type OutputSlab,
  returnBulkSlab,
  returnOutputSlab,
  type Slab,
  sharedReadSlab,
  takeBulkSlab,
} from "./slabs.ts";
import { SocketWriter, type SocketWriterOwner } from "./socket-writer.ts";
import type { TlsDigest } from "./tls/digest.ts";
import type { SecuredSocket } from "./tls/secured-socket.ts";
import type { Wire, WireDirection } from "./wire.ts";

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

/** A read of less than this fits the shared slab: the connection gives up a slab of its own. */
const BULK_THRESHOLD = 64 * 1024;

/** Views are compared by the memory they lie in: a filter may hand on a view that is no slab's own buffer. */
const sharedMemory = sharedReadSlab.buffer.buffer;

/** The slab whose bytes are being handled right now; a writer becomes its holder when a view of it has to wait. */
let reading: Slab | null = null;

/**
 * A byte stream over a socket, with borrowed reads, gathered writes and backpressure both ways. It doesn't know what
 * the bytes mean.
 *
 *     shared slab ── a read fills it ──▶ bulk slab of its own (no copies) ── a small read, a pause ──▶ shared slab
 */
export class Transport implements KeptWriterOwner, SocketWriterOwner {
  readonly socket: Socket;
  handler: TransportHandler;
  /** True between `onBlocked` and `onDrain`. */
  blocked = false;
  /** True once it is closed or being closed: nothing is sent any more, and nothing heard but `onClose`. */
  closed = false;
  /** True once the peer has ended its direction. */
  ended = false;
  /** True when TLS was there to say that the peer has ended its direction, and didn't: somebody else may have ended it. */
  endsUnsaid = false;
  #paused = false;
  #gone = false;
  /** What does something to the bytes on their way, if anything does, and what it asks for. */
  #wire: Wire | null = null;
  #wireHoldsReading = false;
  #wireHoldsWriting = false;
  /** The peer has ended its direction, but that may still be on its way through the wire. */
  #endCame = false;
  /** The connection is gone, but what came before still waits in the wire. */
  #closePending = false;
  #expectsLittle = false;
  #slab: Slab = sharedReadSlab;
  /** What pending writes refer to, given back when they are done. */
  #heldOutput: OutputSlab | null = null;
  #heldBulk: Slab[] | null = null;
  #kept: KeptWriter | null = null;
  #error: Error | null = null;
  #remoteAddress: string | null = null;

  /** Where `socket` encrypts: what lies beneath it. */
  readonly #secured: SecuredSocket | null;
  readonly #writer: SocketWriter;

  constructor(socket: Socket, handler: TransportHandler, secured: SecuredSocket | null = null) {
    this.socket = socket;
    this.handler = handler;
    this.#secured = secured;
    this.#writer = new SocketWriter(socket, this);
  }

  /** What is known of its TLS; null without. */
  get tls(): TlsDigest | null {
    return this.#secured === null ? null : this.#secured.digest;
  }

  /** The socket that the kernel knows. */
  get #carrier(): Socket {
    return this.#secured === null ? this.socket : this.#secured.carrier;
  }

  /** The peer's address, "" on a Unix socket. It can be asked for while the socket is open, and again when it was. */
  get remoteAddress(): string {
    this.#remoteAddress ??= this.#carrier.remoteAddress ?? "";
    return this.#remoteAddress;
  }

  // ── what goes out ──────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Sends `bytes[start..end)`. Small bytes and those in the shared slab are copied and leave when the turn ends; others
   * are written from where they are, so their owner must not change them any more.
   */
  send(bytes: Buffer, start: number, end: number): void {
    if (this.closed || start === end) return;
    const isShort = end - start < COPY_LIMIT || bytes.buffer === sharedMemory;
    const outgoing = this.#outgoing();
    // A wire doesn't say when it is done with them.
    if ((!isShort || this.#kept?.gathers === true) && areKept() && outgoing === null && isFleeting(bytes)) {
      this.#kept ??= new KeptWriter(this, this.#writer, this.#secured !== null);
      if (this.#kept.take(bytes, start, end)) return;
    }
    // Lent bytes join what is gathered: a copy is cheaper than two writes.
    if (isShort || (output.gathersFor(this) && isLent(bytes)) || isFleeting(bytes)) {
      output.copy(this, bytes, start, end);
      return;
    }
    this.#flush();
    if (outgoing === null) this.#write(bytes.subarray(start, end), null);
    else outgoing.push(bytes, start, end);
  }

  sendText(text: string): void {
    if (!this.closed) output.text(this, text);
  }

  writeGathered(view: Buffer, slab: OutputSlab): boolean {
    if (this.closed) return true;
    this.#kept?.writeKept();
    const outgoing = this.#outgoing();
    if (outgoing !== null) {
      outgoing.push(view, 0, view.length);
      return true;
    }
    // Behind a write that waits already, a right-sized copy is better than to give a whole slab away.
    if (this.#writer.unsent === 0) return this.#write(view, slab);
    this.#write(Buffer.from(view), null);
    return true;
  }

  #flush(): void {
    output.flushFor(this);
    this.#kept?.writeKept();
  }

  /** True when nothing of it has to wait; `slab` is the output slab it lies in. */
  #write(view: Buffer, slab: OutputSlab | null): boolean {
    const writer = this.#writer;
    if (this.closed) return true;
    const isTaken = this.copiesWrites;
    if (writer.write(view)) return true;
    if (!isTaken) this.#holdFor(view, slab);
    this.blockIfFull();
    return isTaken;
  }

  /** TLS encrypts, or copies, within the call what it gets while nothing waits, although it says later that it is done. */
  get copiesWrites(): boolean {
    return this.#secured !== null && this.#writer.unsent === 0;
  }

  /** Keeps what `view` lies in from being used again before it is written. */
  #holdFor(view: Buffer, slab: OutputSlab | null): void {
    if (slab !== null) this.#heldOutput = slab;
    else if (reading !== null && view.buffer === reading.buffer.buffer) {
      this.#heldBulk ??= [];
      holdSlab(this.#heldBulk, reading);
    } else holdLent(view);
  }

  /** Tells the handler to wait where more is unsent than should be. */
  blockIfFull(): void {
    if (this.#writer.unsent < this.socket.writableHighWaterMark) return;
    this.#wire?.outgoing.pause();
    this.#block();
  }

  #block(): void {
    if (this.blocked) return;
    this.blocked = true;
    this.handler.onBlocked();
  }

  /** True while something waits for the kernel to take it. */
  get hasUnsent(): boolean {
    return this.#writer.unsent > 0 || (this.#wire !== null && this.#wire.outgoing.held > 0);
  }

  /** Bytes that wait to be taken by the kernel, or by TLS. */
  get unsentBytes(): number {
    return this.#writer.unsent;
  }

  /** Bytes the kernel has taken so far: as long as this grows, the peer takes something. */
  get takenBytes(): number {
    return takenBytes(this.#carrier);
  }

  /** Ends our direction once everything is sent. */
  end(): void {
    if (this.closed) return;
    this.#flush();
    if (this.#wire === null) this.#writer.end();
    else this.#wire.outgoing.end();
  }

  /** Closes both directions now; what is waiting is lost. */
  destroy(): void {
    if (this.#shut()) this.socket.destroy();
  }

  /** Closes with a TCP reset, so that the peer can't take a cut message for a whole one. */
  reset(): void {
    if (this.#shut()) resetSocket(this.socket, this.#carrier);
  }

  /** Nothing is said or heard from here on; false when that was so already. */
  #shut(): boolean {
    if (this.closed) {
      this.#giveUpPending();
      return false;
    }
    this.#flush();
    this.closed = true;
    this.#wire?.close();
    return true;
  }

  // ── what comes in ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Stops reading; the peer feels it once the kernel's buffer is full. */
  pause(): void {
    if (this.#paused || !this.#hears()) return;
    this.#paused = true;
    this.#wire?.incoming.pause();
    if (!this.closed) this.socket.pause();
  }

  resume(): void {
    if (!this.#paused || !this.#hears()) return;
    this.#paused = false;
    this.#wire?.incoming.resume();
    if (!this.#wireHoldsReading && !this.closed) this.socket.resume();
  }

  /** False once nothing comes in any more, not even from the wire. */
  #hears(): boolean {
    return !this.closed || this.#closePending;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** @internal true while the socket is to go on reading */
  get readsOn(): boolean {
    return this.closed || (!this.#paused && !this.#wireHoldsReading);
  }

  /** Said while bytes are handled, when a message is over: a slab of its own is given up with this read. */
  expectLittle(): void {
    this.#expectsLittle = true;
  }

  /** @internal the read callback: returns the slab to read into next, or null to keep the one there is. */
  handleRead(size: number): Buffer | null {
    if (this.closed) return null;
    const slab = this.#slab;
    reading = slab;
    this.#expectsLittle = false;
    this.#takeTurn(slab.buffer, size);
    return this.#nextSlab(slab, size);
  }

  /** @internal a read into a buffer that is already ours alone. */
  handleOwnedRead(bytes: Buffer): void {
    if (!this.closed) this.#takeTurn(bytes, bytes.length);
  }

  /** @internal what was read last, to be handed on later */
  copyRead(size: number): Buffer {
    return Buffer.from(this.#slab.buffer.subarray(0, size));
  }

  #takeTurn(bytes: Buffer, size: number): void {
    const wire = this.#wire;
    output.beginTurn();
    beginTurn();
    try {
      if (wire === null || wire.incoming.isClear) this.handler.onData(bytes, 0, size);
      else wire.incoming.push(bytes, 0, size);
    } finally {
      reading = null;
      output.endTurn();
      endTurn();
    }
  }

  #nextSlab(slab: Slab, size: number): Buffer | null {
    const isBulk = size >= BULK_THRESHOLD && !this.#paused && !this.#expectsLittle && !this.closed;
    if (slab === sharedReadSlab) {
      if (!isBulk || size < slab.buffer.length) return null;
      this.#slab = takeBulkSlab();
      return this.#slab.buffer;
    }
    if (isBulk && slab.holders === 0) return null;
    this.#giveUpSlab();
    return sharedReadSlab.buffer;
  }

  /** Goes back to the shared slab. A slab with holders comes back through them. */
  #giveUpSlab(): void {
    const slab = this.#slab;
    this.#slab = sharedReadSlab;
    if (slab !== sharedReadSlab && slab.holders === 0) returnBulkSlab(slab);
  }

  // ── what happens ───────────────────────────────────────────────────────────────────────────────────────────────

  /** All that waited is out; the socket's stream, which says so too, knows only of what it had itself. */
  handleDrain(): void {
    if (this.#writer.unsent > 0) return;
    this.#releaseHeld();
    this.#wire?.outgoing.resume();
    this.#unblock();
  }

  #unblock(): void {
    if (!this.blocked || this.closed || this.#wireHoldsWriting) return;
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
    this.#heldOutput = null;
    this.#kept?.letGo();
    const slabs = this.#heldBulk;
    this.#heldBulk = null;
    if (slabs === null) return;
    for (const slab of slabs) if (--slab.holders === 0) returnBulkSlab(slab);
  }

  /** @internal the end was read; what came before it may still wait */
  noteEnd(): void {
    if (this.#secured === null) return;
    this.endsUnsaid = endsUnsaid(this.socket, this.#carrier);
    meetReset(this.socket, this.#carrier, this.endsUnsaid);
  }

  /** @internal */
  handleEnd(): void {
    if (this.#endCame || this.closed) return;
    this.#endCame = true;
    // Also through a wire that is clear, which has to know when both directions have ended.
    if (this.#wire === null) this.deliverEnd();
    else this.#wire.incoming.end();
  }

  /** @internal */
  handleError(error: Error): void {
    if (!this.closed) this.#error = error;
  }

  /** @internal */
  handleClose(): void {
    if (this.#gone) return;
    const wasClosed = this.closed;
    this.#gone = true;
    this.closed = true;
    // Slabs of cancelled writes aren't reused: the kernel's side may still be winding down.
    this.#heldOutput = null;
    this.#heldBulk = null;
    this.#kept?.letGo();
    this.#giveUpSlab();
    // What the peer had sent before it went still has to arrive.
    const incoming = wasClosed || this.#error !== null ? undefined : this.#wire?.incoming;
    this.#closePending = !this.ended && incoming !== undefined && (this.#endCame || incoming.held > 0);
    if (!this.#closePending) this.#concludeClose();
    else if (!this.#endCame) incoming?.end();
  }

  #concludeClose(): void {
    this.#closePending = false;
    this.#wire?.close();
    this.handler.onClose(this.#error);
  }

  /** What still waits in the wire is wanted no more. */
  #giveUpPending(): void {
    if (!this.#closePending) return;
    this.#closePending = false;
    this.#wire?.close();
    process.nextTick(() => this.handler.onClose(this.#error));
  }

  // ── what a wire does ───────────────────────────────────────────────────────────────────────────────────────────

  get hasWire(): boolean {
    return this.#wire !== null;
  }

  /** Puts `wire` between socket and handler, from now on. */
  attachWire(wire: Wire): void {
    this.#wire = wire;
    if (this.#paused) wire.incoming.pause();
    if (this.blocked) wire.outgoing.pause();
    if (this.#endCame) wire.incoming.end();
    if (this.#writer.isEnded) wire.outgoing.end();
  }

  /** The way out through the wire; null while bytes may go past it. */
  #outgoing(): WireDirection | null {
    const wire = this.#wire;
    return wire === null || wire.outgoing.isClear ? null : wire.outgoing;
  }

  /** Hands on what came in through the wire. */
  deliver(chunk: Buffer): void {
    if (this.#hears()) this.handler.onData(chunk, 0, chunk.length);
  }

  deliverEnd(): void {
    if (this.ended || !this.#hears()) return;
    this.ended = true;
    this.handler.onEnd();
    if (this.#closePending) this.#concludeClose();
  }

  /** Writes what came out through the wire, which must not be changed any more. */
  writeThrough(chunk: Buffer): void {
    this.#write(chunk, null);
  }

  endThrough(): void {
    if (!this.closed) this.#writer.end();
  }

  holdReading(): void {
    this.#wireHoldsReading = true;
    if (!this.closed) this.socket.pause();
  }

  releaseReading(): void {
    this.#wireHoldsReading = false;
    if (!this.#paused && !this.closed) this.socket.resume();
  }

  holdWriting(): void {
    this.#wireHoldsWriting = true;
    if (!this.closed) this.#block();
  }

  releaseWriting(): void {
    this.#wireHoldsWriting = false;
    if (this.#writer.unsent < this.socket.writableHighWaterMark) this.#unblock();
  }

  /**
   * Closes the connection from within: what is written already is still sent, the handler hears that the peer has ended
   * and, when the peer has ended too, that the connection is gone. Until then what the peer sends is read and dropped: to
   * close with unread bytes would reset the connection, and take along what was sent last.
   */
  finish(): void {
    if (this.closed) {
      this.#giveUpPending();
      return;
    }
    this.#wire?.close();
    if (!this.ended) {
      this.ended = true;
      this.handler.onEnd();
    }
    if (this.closed) return;
    this.#flush();
    this.closed = true;
    this.#writer.end();
    this.socket.resume();
  }
}
