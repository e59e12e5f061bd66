import { Deadline, type DeadlineOwner, TimeoutQueue } from "../base/timeouts.ts";
import type { ByteSink, ByteStream } from "../http/streams.ts";

/** How long what was sent to one side may still be on its way when nobody hears its answer any more, in milliseconds. */
const LINGER = new TimeoutQueue(2_000);

/** Told when both directions of a tunnel are over, with the error that ended them and the side it came from. */
export type TunnelEnd = (error: Error | null, isFar: boolean) => void;

/** Hears how many bytes have come from the client, and from the server, whenever more have. */
export interface TunnelMeter {
  onMoved(bytesUp: number, bytesDown: number): void;
}

/**
 * Joins two byte streams: what one receives the other sends, each end-of-stream is passed on by itself, and a side that
 * can't keep up stops the reading of the other.
 *
 *     client ⇄ near ──bytes──▶ far ⇄ server
 *                  ◀──bytes──
 */
export class Tunnel {
  readonly #near: Side;
  readonly #far: Side;
  readonly #onEnd: TunnelEnd;
  /** Null: nobody wants to know what it moves while it lasts. */
  meter: TunnelMeter | null = null;
  #error: Error | null = null;
  #isFarsError = false;

  /** Each opener is called once with the sink that listens to its stream; the far one first, to take early bytes. */
  constructor(
    openFar: (sink: ByteSink) => ByteStream,
    openNear: (sink: ByteSink) => ByteStream,
    onEnd: TunnelEnd,
  ) {
    this.#onEnd = onEnd;
    this.#near = new Side(this);
    this.#far = new Side(this);
    this.#near.other = this.#far;
    this.#far.other = this.#near;
    this.#far.attach(openFar(this.#far));
    this.#near.attach(openNear(this.#near));
  }

  /** Bytes that came from the client, and from the server. */
  get bytesUp(): number {
    return this.#near.received;
  }

  get bytesDown(): number {
    return this.#far.received;
  }

  /** Cuts both directions. */
  abort(): void {
    this.#near.stream?.abort();
    this.#far.stream?.abort();
  }

  /** @internal a side is gone; the first error of the two is the tunnel's */
  onSideClosed(side: Side, error: Error | null): void {
    if (this.#error === null && error !== null) {
      this.#error = error;
      this.#isFarsError = side === this.#far;
    }
    if (side.other.closed) this.#onEnd(this.#error, this.#isFarsError);
  }
}

/** One end of a tunnel: hears its stream and speaks to the other's. */
class Side implements ByteSink, DeadlineOwner {
  stream: ByteStream | null = null;
  other!: Side;
  received = 0;
  closed = false;
  readonly #tunnel: Tunnel;
  /** What arrived before the other end stood. */
  #early: Buffer[] = [];
  #ended = false;
  /** Waits for the end of a side that talks to nobody. */
  #deadline: Deadline | null = null;

  constructor(tunnel: Tunnel) {
    this.#tunnel = tunnel;
  }

  attach(stream: ByteStream): void {
    this.stream = stream;
    for (const bytes of this.other.#early) stream.send(bytes, 0, bytes.length);
    this.other.#early = [];
    if (this.other.#ended) stream.end();
    // Who was slow before both ends stood had nobody to tell.
    if (stream.blocked) this.other.stream?.pause();
    if (this.other.stream?.blocked === true) stream.pause();
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.received += end - start;
    this.#tunnel.meter?.onMoved(this.#tunnel.bytesUp, this.#tunnel.bytesDown);
    const target = this.other.stream;
    if (target === null) this.#early.push(Buffer.from(bytes.subarray(start, end)));
    else target.send(bytes, start, end);
  }

  onBytesEnd(): void {
    this.#ended = true;
    this.other.stream?.end();
  }

  onBytesBlocked(): void {
    this.other.stream?.pause();
  }

  onBytesDrained(): void {
    this.other.stream?.resume();
  }

  /** A stream that ended in both directions leaves the other to finish; any other close cuts it. */
  onBytesClosed(error: Error | null): void {
    if (this.closed) return;
    this.closed = true;
    this.#deadline?.clear();
    const { other } = this;
    if (!other.closed) {
      if (error !== null || !this.#ended) other.stream?.abort();
      else other.#finish();
    }
    this.#tunnel.onSideClosed(this, error);
  }

  /** The other side is gone, after its last word. Without it this one could stay for ever. */
  #finish(): void {
    this.stream?.end();
    // Nobody is left who could be too slow, and its end has to be heard.
    this.stream?.resume();
    if (this.#ended || this.closed) return;
    this.#deadline = new Deadline(this);
    LINGER.set(this.#deadline);
  }

  onDeadline(): void {
    this.stream?.abort();
  }
}
