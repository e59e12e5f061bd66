import type { ByteSink, ByteStream } from "../http/streams.ts";
import type { Transport } from "../net/transport.ts";

/** A connection's transport as a plain byte stream, once HTTP is over on it. */
export class TransportByteStream implements ByteStream {
  sink: ByteSink;
  readonly #transport: Transport;

  constructor(transport: Transport, sink: ByteSink) {
    this.#transport = transport;
    this.sink = sink;
  }

  get blocked(): boolean {
    return this.#transport.blocked;
  }

  send(bytes: Buffer, start: number, end: number): void {
    this.#transport.send(bytes, start, end);
  }

  end(): void {
    this.#transport.end();
  }

  abort(): void {
    this.#transport.reset();
  }

  pause(): void {
    this.#transport.pause();
  }

  resume(): void {
    this.#transport.resume();
  }
}
