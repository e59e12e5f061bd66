import type { TransportHandler } from "../net/transport.ts";

/** What a connection hears from its transport. */
export interface SocketListener {
  onBytes(bytes: Buffer, start: number, end: number): void;
  /** The peer has ended its direction of the connection. */
  onSocketEnd(): void;
  /** More waits in the socket than should. */
  onSocketBlocked(): void;
  /** All that waited in the socket is out. */
  onSocketDrain(): void;
  /** The connection is gone. */
  onSocketClose(error: Error | null): void;
}

/** A frame sink hears of DATA by the name by which a transport tells of bytes, so the two are kept apart. */
export class SocketSide implements TransportHandler {
  readonly #listener: SocketListener;

  constructor(listener: SocketListener) {
    this.#listener = listener;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#listener.onBytes(bytes, start, end);
  }

  onEnd(): void {
    this.#listener.onSocketEnd();
  }

  onBlocked(): void {
    this.#listener.onSocketBlocked();
  }

  onDrain(): void {
    this.#listener.onSocketDrain();
  }

  onClose(error: Error | null): void {
    this.#listener.onSocketClose(error);
  }
}
