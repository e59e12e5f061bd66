import { ChunkedDecoder, type ChunkedLimits } from "./chunked-decoder.ts";
import type { HeadScan } from "./head-scan.ts";

/** Where a decoded body goes. */
export interface BodySink {
  /** True when the sink can take no more for now: decoding stops after the current piece. */
  readonly bodyPaused: boolean;
  onBodyChunk(bytes: Buffer, start: number, end: number): void;
  /** The body is complete. `trailers` is borrowed, null when there are none. */
  onBodyEnd(trailers: HeadScan | null): void;
}

const Framing = { None: 0, Length: 1, Chunked: 2, Close: 3 } as const;

/** What `decode` returns when the framing is broken. */
export const BODY_REFUSED = -1;

/**
 * Takes a body out of its framing (RFC 9112 §6): none, a known length, chunked, or everything until the connection
 * closes. One decoder serves a connection, message after message.
 */
export class BodyDecoder {
  /** Bytes of content decoded of this body. */
  received = 0;
  /** True once the end was seen. */
  complete = true;
  #framing: number = Framing.None;
  #left = 0;
  #chunked: ChunkedDecoder | null = null;
  readonly #sink: BodySink;
  readonly #limits: ChunkedLimits;

  constructor(sink: BodySink, limits: ChunkedLimits) {
    this.#sink = sink;
    this.#limits = limits;
  }

  /** The message has no body: it is complete as it starts, and its sink hears nothing. */
  startNone(): void {
    this.#start(Framing.None);
    this.complete = true;
  }

  startLength(length: number): void {
    this.#start(Framing.Length);
    this.#left = length;
  }

  startChunked(): void {
    this.#start(Framing.Chunked);
    this.#chunked ??= new ChunkedDecoder(this.#limits);
    this.#chunked.reset();
  }

  startUntilClose(): void {
    this.#start(Framing.Close);
  }

  /** Bytes of a known length that are still to come; Infinity when only the end will tell. */
  get remaining(): number {
    if (this.complete) return 0;
    return this.#framing === Framing.Length ? this.#left : Number.POSITIVE_INFINITY;
  }

  /** True when the end of the connection is the end of the body. */
  get endsWithConnection(): boolean {
    return this.#framing === Framing.Close;
  }

  /**
   * Decodes from `start`; returns where it stopped: at `end`, behind the body, or where the sink paused. `BODY_REFUSED`
   * when the framing is malformed.
   */
  decode(bytes: Buffer, start: number, end: number): number {
    switch (this.#framing) {
      case Framing.Length:
        return this.#decodeLength(bytes, start, end);
      case Framing.Chunked:
        return this.#decodeChunked(bytes, start, end);
      case Framing.Close:
        if (end > start) this.#pass(bytes, start, end);
        return end;
      default:
        return start;
    }
  }

  /** Ends the body: when nothing remains of it, or when the connection closed and that is the end. */
  finish(trailers: HeadScan | null): void {
    if (this.complete) return;
    this.complete = true;
    this.#sink.onBodyEnd(trailers);
  }

  #start(framing: number): void {
    this.#framing = framing;
    this.#left = 0;
    this.received = 0;
    this.complete = false;
  }

  #decodeLength(bytes: Buffer, start: number, end: number): number {
    const stop = Math.min(end, start + this.#left);
    this.#left -= stop - start;
    if (stop > start) this.#pass(bytes, start, stop);
    if (this.#left === 0 && !this.#sink.bodyPaused) this.finish(null);
    return stop;
  }

  #decodeChunked(bytes: Buffer, start: number, end: number): number {
    const chunked = this.#chunked!;
    let at = start;
    while (at < end && !this.#sink.bodyPaused) {
      at = chunked.advance(bytes, at, end);
      if (at < 0) return BODY_REFUSED;
      if (chunked.dataEnd > chunked.dataStart) this.#pass(bytes, chunked.dataStart, chunked.dataEnd);
      if (!chunked.done) continue;
      const trailers = chunked.trailers();
      chunked.reset();
      this.finish(trailers);
      break;
    }
    return at;
  }

  #pass(bytes: Buffer, start: number, end: number): void {
    this.received += end - start;
    this.#sink.onBodyChunk(bytes, start, end);
  }
}
