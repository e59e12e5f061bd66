import type { ByteSink } from "../http/streams.ts";
import { TransportByteStream } from "../http1/byte-stream.ts";
import type { Transport, TransportHandler } from "../net/transport.ts";

/** Whose end it is. */
export interface RelayEndOwner {
  /** Bytes came in. */
  onActivity(): void;
  /** Everything that waited here was sent. */
  onDrained(): void;
  /** This side is gone. */
  onEndClosed(transport: Transport, error: Error | null): void;
}

/** One side of a relay: hears its transport, and is the byte stream that the other side's bytes go to. */
export class RelayEnd extends TransportByteStream implements TransportHandler {
  readonly #relay: RelayEndOwner;
  readonly #transport: Transport;

  constructor(relay: RelayEndOwner, transport: Transport, sink: ByteSink) {
    super(transport, sink);
    this.#relay = relay;
    this.#transport = transport;
    transport.handler = this;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#relay.onActivity();
    this.sink.onBytes(bytes, start, end);
  }

  onEnd(): void {
    this.#relay.onActivity();
    this.sink.onBytesEnd();
  }

  onBlocked(): void {
    this.sink.onBytesBlocked();
  }

  onDrain(): void {
    this.#relay.onDrained();
    this.sink.onBytesDrained();
  }

  onClose(error: Error | null): void {
    this.#relay.onEndClosed(this.#transport, error);
    this.sink.onBytesClosed(error);
  }
}
