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
  #complete = false;
  #closed = false;

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

  /** The peer's direction is at its end, and all of its bytes are handed on. */
  onEnd(): void {
    this.#ended = true;
    this.sink.onBytesEnd();
    if (this.#complete) this.close(null);
  }

  /** Both directions have ended; bytes may still wait to be handed on. */
  onComplete(): void {
    this.#complete = true;
    if (this.#ended) this.close(null);
  }

  /** True once the peer's last byte was handed on. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The stream is gone, and what waits with it. */
  close(error: Error | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.sink.onBytesClosed(error);
  }
}
