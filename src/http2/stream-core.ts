import { holdMore } from "../base/held-bytes.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { Http2Error } from "./error-codes.ts";
import { type ReceiveWindow, SendWindow } from "./flow-window.ts";
import { type Priority, UNSIGNALED_PRIORITY } from "./priority.ts";
import type { Scheduled } from "./stream-scheduler.ts";
import { StreamState } from "./stream-states.ts";

/** What a stream asks of its connection. */
export interface StreamOwner {
  /**
   * Sends as much of `bytes[start..end)` as both windows, the frame size and the connection's socket allow now.
   * @returns where it came to
   */
  sendData(stream: StreamCore, bytes: Buffer, start: number, end: number): number;
  /** Sends the end of the stream, with trailers or without; the stream may be closed by that. */
  sendEndOf(stream: StreamCore, trailers: HttpHeaders | null): void;
  /** The stream has DATA that couldn't be sent yet. */
  schedule(stream: StreamCore): void;
  /** Lets the peer send more on the stream. */
  sendWindowUpdate(stream: StreamCore, increment: number): void;
  /** Ends the stream with RST_STREAM; it hears nothing of it. */
  resetStream(stream: StreamCore, code: Http2Error): void;
}

/**
 * What the streams of clients and servers have in common: bytes that wait for a window on their way out, and bytes that
 * wait on their way in while nobody takes them.
 *
 *     write ──▶ [queue: copies] ── windows, turn ──▶ DATA        DATA ──▶ [held: copies, while paused] ──▶ onBody
 *
 * Both are bounded: the writer is told to stop as soon as there is a queue, and what is held is no more than the window.
 */
export abstract class StreamCore implements Scheduled<StreamCore> {
  id = 0;
  state: StreamState = StreamState.Idle;
  priority: Priority = UNSIGNALED_PRIORITY;
  nextScheduled: StreamCore | null = null;
  previousScheduled: StreamCore | null = null;
  hadTurn = false;
  readonly sends: SendWindow;
  readonly receives: ReceiveWindow;
  /** True while something waits to be sent. */
  blocked = false;
  protected readonly owner: StreamOwner;
  #queue: Buffer[] | null = null;
  /** Of the first buffer in the queue, what is sent. */
  #sent = 0;
  #endsAfterQueue = false;
  #trailers: HttpHeaders | null = null;
  #paused = false;
  #held: Buffer[] | null = null;
  #delivering = false;
  /** The peer's end came, and waits to be told. */
  #remoteEnd = false;
  #isWhole = false;
  #remoteTrailers: HttpHeaders | null = null;

  constructor(owner: StreamOwner, initialSendWindow: number, receives: ReceiveWindow) {
    this.owner = owner;
    this.sends = new SendWindow(initialSendWindow);
    this.receives = receives;
  }

  /** A piece of the message's body; borrowed. */
  protected abstract onBody(bytes: Buffer, start: number, end: number): void;
  /** The peer's message is complete. */
  protected abstract onBodyEnd(trailers: HttpHeaders | null): void;
  protected abstract onSendBlocked(): void;
  protected abstract onSendDrained(): void;
  /** Some of what waited was sent. */
  protected onSendProgress(): void {}
  /** The peer has reset the stream. It is gone already, as it is for the next two. */
  abstract onReset(code: number): void;
  /** The peer broke a rule that concerns this stream alone. */
  abstract onBroken(code: Http2Error, message: string): void;
  /** The connection is gone. */
  abstract onConnectionLost(error: Error): void;

  get isClosed(): boolean {
    return this.state === StreamState.Closed;
  }

  /** True once END_STREAM is sent. */
  get hasSentEnd(): boolean {
    return this.state === StreamState.LocalEnded || this.state === StreamState.Closed;
  }

  // ── what goes out ──────────────────────────────────────────────────────────────────────────────────────────────

  protected write(bytes: Buffer, start: number, end: number): void {
    if (this.isClosed || start === end) return;
    const at = this.#queue === null ? this.owner.sendData(this, bytes, start, end) : start;
    if (at === end || this.isClosed) return;
    this.#queue ??= [];
    keepPiece(this.#queue, bytes, at, end);
    this.owner.schedule(this);
    if (this.blocked) return;
    this.blocked = true;
    this.onSendBlocked();
  }

  /** Ends the stream when all that waits is sent. */
  protected endWriting(trailers: HttpHeaders | null): void {
    if (this.isClosed) return;
    if (this.#queue === null) {
      this.owner.sendEndOf(this, trailers);
      return;
    }
    this.#endsAfterQueue = true;
    this.#trailers = trailers;
  }

  /** The stream's turn: sends a frame's worth of what waits. True when nothing is left. */
  sendQueued(most: number): boolean {
    const queue = this.#queue!;
    const first = queue[0]!;
    const at = this.owner.sendData(this, first, this.#sent, Math.min(first.length, this.#sent + most));
    if (at > this.#sent) this.onSendProgress();
    this.#sent = at;
    if (at < first.length) return false;
    queue.shift();
    this.#sent = 0;
    if (queue.length > 0) return false;
    this.#queue = null;
    return true;
  }

  /** What waited is sent, and the scheduler knows. */
  finishQueue(): void {
    this.blocked = false;
    if (!this.#endsAfterQueue) this.onSendDrained();
    else if (!this.isClosed) this.owner.sendEndOf(this, this.#trailers);
  }

  get hasQueue(): boolean {
    return this.#queue !== null;
  }

  // ── what comes in ──────────────────────────────────────────────────────────────────────────────────────────────

  receive(bytes: Buffer, start: number, end: number): void {
    if (this.#paused || this.#held !== null || this.#delivering) {
      this.#held ??= [];
      keepPiece(this.#held, bytes, start, end);
      return;
    }
    this.onBody(bytes, start, end);
    this.releaseWindow(end - start);
  }

  /** The peer may send so much more. */
  releaseWindow(bytes: number): void {
    const increment = this.receives.release(bytes);
    if (increment > 0 && !this.isClosed && this.state !== StreamState.RemoteEnded)
      this.owner.sendWindowUpdate(this, increment);
  }

  /** The peer has ended its direction; the stream may be closed already. */
  receiveEnd(trailers: HttpHeaders | null): void {
    this.#remoteEnd = true;
    this.#isWhole = true;
    this.#remoteTrailers = trailers;
    if (!this.#paused && this.#held === null && !this.#delivering) this.#deliverEnd();
  }

  #deliverEnd(): void {
    this.#remoteEnd = false;
    this.onBodyEnd(this.#remoteTrailers);
  }

  /** True once all of the peer's message is here, whether it was handed on or not. */
  protected get isWhole(): boolean {
    return this.#isWhole;
  }

  protected get isReadPaused(): boolean {
    return this.#paused;
  }

  protected pauseReading(): void {
    this.#paused = true;
  }

  protected resumeReading(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (!this.#delivering) this.#deliver();
  }

  #deliver(): void {
    this.#delivering = true;
    while (this.#held !== null && !this.#paused) {
      const piece = this.#held.shift();
      if (piece === undefined) {
        this.#held = null;
        break;
      }
      this.onBody(piece, 0, piece.length);
      this.releaseWindow(piece.length);
    }
    this.#delivering = false;
    if (this.#remoteEnd && !this.#paused && this.#held === null) this.#deliverEnd();
  }

  // ── as one end of a tunnel ─────────────────────────────────────────────────────────────────────────────────────

  sendBytes(bytes: Buffer, start: number, end: number): void {
    if (!this.hasSentEnd) this.write(bytes, start, end);
  }

  endBytes(): void {
    if (!this.hasSentEnd) this.endWriting(null);
  }

  pauseBytes(): void {
    this.pauseReading();
  }

  resumeBytes(): void {
    this.resumeReading();
  }

  /** Nothing that waits is of use to anybody any more, in either direction. */
  protected drop(): void {
    this.dropOutput();
    this.#held = null;
    this.#remoteEnd = false;
  }

  /** The peer takes no more. */
  protected dropOutput(): void {
    this.#queue = null;
    this.#endsAfterQueue = false;
  }
}

/** Up to this size a piece is put to the one before it. */
const SMALL_PIECE = 4096;

/** Adds a copy to pieces that wait. Were each of a few bytes a buffer of its own, it would take a hundred times its size. */
function keepPiece(pieces: Buffer[], bytes: Buffer, start: number, end: number): void {
  const last = pieces.at(-1);
  if (last === undefined || last.length + end - start > SMALL_PIECE)
    pieces.push(holdMore(null, bytes, start, end));
  else pieces[pieces.length - 1] = holdMore(last, bytes, start, end);
}
