import type { Socket } from "node:net";
import { type BoundElsewhere, closeUnused, DEFAULT_LISTENER_OPTIONS, Listener } from "../net/listener.ts";

/** Takes the connections of a listener. */
export interface TcpHost {
  accept(socket: Socket, listener: string): void;
}

/** Where the connections of a TCP proxy come in: to whomever it leads when they come. */
export class TcpDoor {
  readonly #on: BoundElsewhere;
  readonly #onError: (error: Error) => void;
  /** Null before it is opened, and once it is closed. */
  #listener: Listener | null = null;
  #host: TcpHost | null = null;
  #isUsed = false;
  #isClosed = false;

  /** @param onError hears of connections that couldn't be accepted */
  constructor(on: BoundElsewhere, onError: (error: Error) => void) {
    this.#on = on;
    this.#onError = onError;
  }

  get address(): string {
    return this.#on.boundTo;
  }

  /** Listens at once; rejects when that can't be. */
  async open(host: TcpHost): Promise<void> {
    this.#host = host;
    this.#isUsed = true;
    const listener = await Listener.open(this.#on, DEFAULT_LISTENER_OPTIONS, {
      onAccept: (socket) => this.#host!.accept(socket, this.address),
      onAcceptError: this.#onError,
    });
    if (this.#isClosed) listener.close();
    else this.#listener = listener;
  }

  lead(host: TcpHost): void {
    this.#host = host;
  }

  close(): void {
    this.#isClosed = true;
    this.#listener?.close();
    this.#listener = null;
    if (this.#isUsed) return;
    // Descriptors that were lent are ours to close.
    this.#isUsed = true;
    closeUnused(this.#on);
  }
}
