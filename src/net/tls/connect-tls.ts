import { connect, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type Address, formatAddress } from "../address.ts";
import { type ConnectOptions, toNodeOptions } from "../connect.ts";
import { overSocket } from "../onread-socket.ts";
import type { Transport, TransportHandler } from "../transport.ts";
import type { TlsClient } from "./tls-client.ts";

/** An attempt to connect with TLS, until there is a transport. */
export interface TlsAttempt {
  /** Gives it up; nothing is heard of it any more. */
  cancel(): void;
}

/** Told how it ended, once. */
export interface TlsAttemptOwner {
  /** The handler of `transport` must be set at once; what was agreed on stands in its `tls`. */
  onConnected(transport: Transport): void;
  onConnectFailed(error: Error): void;
}

/**
 * Opens a connection with TLS.
 * @throws RangeError when there is no name to verify the server by
 */
export function connectTls(
  address: Address,
  options: ConnectOptions,
  client: TlsClient,
  owner: TlsAttemptOwner,
): TlsAttempt {
  return new Attempt(address, options, client, owner);
}

class Attempt implements TlsAttempt {
  readonly #owner: TlsAttemptOwner;
  readonly #raw: Socket;
  #isOver = false;

  constructor(address: Address, options: ConnectOptions, client: TlsClient, owner: TlsAttemptOwner) {
    this.#owner = owner;
    const raw = connect(toNodeOptions(address, options));
    this.#raw = raw;
    raw.on("error", this.#fail);
    raw.once("connect", () => {
      if (this.#isOver) return;
      const host = address.kind === "unix" ? "" : address.host || "localhost";
      raw.off("error", this.#fail);
      try {
        client.connect(raw, host, formatAddress(address), {
          onSecure: (socket) => this.#succeed(socket),
          onHandshakeFailed: this.#fail,
        });
      } catch (error) {
        raw.destroy();
        this.#fail(error as Error);
      }
    });
  }

  cancel(): void {
    this.#isOver = true;
    this.#raw.on("error", () => undefined).destroy();
  }

  #succeed(socket: TLSSocket): void {
    if (this.#isOver) {
      socket.destroy();
      return;
    }
    this.#isOver = true;
    this.#owner.onConnected(overSocket(socket, NOBODY));
  }

  readonly #fail = (error: Error): void => {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#owner.onConnectFailed(error);
  };
}

/** Stands in until the transport's owner sets its own. */
const NOBODY: TransportHandler = {
  onData() {},
  onEnd() {},
  onBlocked() {},
  onDrain() {},
  onClose() {},
};
