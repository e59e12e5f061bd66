import type { ByteSink, ByteStream } from "../http/streams.ts";

/** What a tunnel needs of its stream. */
export interface TunnelStream {
  readonly blocked: boolean;
  sendBytes(bytes: Buffer, start: number, end: number): void;
  endBytes(): void;
  abort(): void;
  pauseBytes(): void;
  resumeBytes(): void;
}

/** The DATA of a stream as a plain byte stream (RFC 9113 §8.5, RFC 8441 §5). */
export class StreamTunnel implements ByteStream {
  sink: ByteSink;
  readonly #stream: TunnelStream;
  #ended = false;
  #gone = false;

  constructor(stream: TunnelStream, sink: ByteSink) {
    this.#stream = stream;
    this.sink = sink;
  }

  get blocked(): boolean {
    return this.#stream.blocked;
  }

  send(bytes: Buffer, start: number, end: number): void {
    this.#stream.sendBytes(bytes, start, end);
  }

  end(): void {
    this.#stream.endBytes();
  }

  abort(): void {
    this.#stream.abort();
    // As with sockets, whoever cuts it hears of that later.
    process.nextTick(() => this.close(null));
  }

  pause(): void {
    this.#stream.pauseBytes();
  }

  resume(): void {
    this.#stream.resumeBytes();
  }

  // ── what the stream tells ──────────────────────────────────────────────────────────────────────────────────────

  /** The client's direction is at its end, after all of its bytes. */
  onEnd(): void {
    this.#ended = true;
    this.sink.onBytesEnd();
    if (this.#gone) this.sink.onBytesClosed(null);
  }

  /** Both directions have ended; bytes may still wait to be handed on. */
  onComplete(): void {
    if (this.#gone) return;
    this.#gone = true;
    if (this.#ended) this.sink.onBytesClosed(null);
  }

  /** The stream is gone. */
  close(error: Error | null): void {
    if (this.#gone) return;
    this.#gone = true;
    this.sink.onBytesClosed(error);
  }
}
