import type { Socket } from "node:net";
import type { Faults, FaultyConnection } from "./faults.ts";
import type { LinkPort } from "./link.ts";

/**
 * Connections of a listener through which nothing passes yet, because they are in their handshake. They stand
 * nevertheless: what denies connections, and cuts those that stand, reaches them too.
 */
export class SealedConnections {
  readonly #faults: Faults;
  readonly #leave: () => void;
  readonly #reset: (socket: Socket, toxic: string) => void;
  /** Null while there are no faults. */
  readonly #connections = new Map<Socket, FaultyConnection | null>();

  /** @param reset closes a connection with a reset */
  constructor(faults: Faults, reset: (socket: Socket, toxic: string) => void) {
    this.#faults = faults;
    this.#reset = reset;
    this.#leave = faults.whenActive(() => {
      for (const [socket, laid] of this.#connections) {
        if (laid === null) this.#connections.set(socket, this.#lay(socket));
      }
    });
  }

  add(socket: Socket): void {
    this.#connections.set(socket, this.#faults.isActive ? this.#lay(socket) : null);
  }

  /** It is opened, or gone. */
  delete(socket: Socket): void {
    this.#connections.get(socket)?.close();
    this.#connections.delete(socket);
  }

  /** There won't be others. */
  close(): void {
    this.#leave();
  }

  #lay(socket: Socket): FaultyConnection {
    const port = new SealedPort((toxic) => this.#reset(socket, toxic));
    return this.#faults.open({ upstream: port, downstream: port }, "bytes", true);
  }
}

/** The end of both links, to which nothing comes. */
class SealedPort implements LinkPort {
  readonly reset: (toxic: string) => void;

  constructor(reset: (toxic: string) => void) {
    this.reset = reset;
  }

  close(toxic: string): void {
    this.reset(toxic);
  }

  deliver(): void {}
  deliverEnd(): void {}
  onFull(): void {}
  onRoom(): void {}
}
