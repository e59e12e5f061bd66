import type { ByteSink, ByteStream } from "../http/streams.ts";

/** Told when both directions of a tunnel are over. */
export type TunnelEnd = (error: Error | null) => void;

/**
 * Joins two byte streams: what one receives the other sends, each end-of-stream is passed on by itself, and a side that
 * can't keep up stops the reading of the other.
 *
 *     client ⇄ near ──bytes──▶ far ⇄ server
 *                  ◀──bytes──
 */
export class Tunnel {
  bytesUp = 0;
  bytesDown = 0;
  readonly #near: Side;
  readonly #far: Side;
  readonly #onEnd: TunnelEnd;
  #over = false;

  /** Each opener is called once with the sink that listens to its stream; the far one first, to take early bytes. */
  constructor(openFar: (sink: ByteSink) => ByteStream, openNear: (sink: ByteSink) => ByteStream, onEnd: TunnelEnd) {
    this.#onEnd = onEnd;
    this.#near = new Side((size) => {
      this.bytesUp += size;
    }, this.#onClosed);
    this.#far = new Side((size) => {
      this.bytesDown += size;
    }, this.#onClosed);
    this.#near.other = this.#far;
    this.#far.other = this.#near;
    this.#far.attach(openFar(this.#far));
    this.#near.attach(openNear(this.#near));
  }

  /** Cuts both directions. */
  abort(): void {
    this.#near.stream?.abort();
    this.#far.stream?.abort();
  }

  readonly #onClosed = (error: Error | null): void => {
    if (this.#over) return;
    this.#over = true;
    this.#onEnd(error);
  };
}

/** One end of a tunnel: hears its stream and speaks to the other's. */
class Side implements ByteSink {
  stream: ByteStream | null = null;
  other!: Side;
  readonly #count: (size: number) => void;
  readonly #onClosed: TunnelEnd;
  /** What arrived before the other end stood. */
  #early: Buffer[] = [];
  #ended = false;
  #closed = false;

  constructor(count: (size: number) => void, onClosed: TunnelEnd) {
    this.#count = count;
    this.#onClosed = onClosed;
  }

  attach(stream: ByteStream): void {
    this.stream = stream;
    for (const bytes of this.other.#early) stream.send(bytes, 0, bytes.length);
    this.other.#early = [];
    if (this.other.#ended) stream.end();
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.#count(end - start);
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
    this.#closed = true;
    const { other } = this;
    if (!other.#closed) {
      if (error !== null || !this.#ended) other.stream?.abort();
      else other.stream?.end();
    }
    if (other.#closed) this.#onClosed(error);
  }
}
