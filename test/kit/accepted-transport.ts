import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { adoptAccepted } from "../../src/net/onread-socket.ts";
import type { Transport, TransportHandler } from "../../src/net/transport.ts";
import { listen } from "./ports.ts";
import { connectRaw, type RawClient } from "./raw-client.ts";

/** Records what a transport tells. */
export class Recorder implements TransportHandler {
  readonly events: string[] = [];
  text = "";
  received = 0;
  onBytes: ((bytes: Buffer, start: number, end: number) => void) | null = null;
  error: Error | null = null;
  readonly closed: Promise<void>;
  readonly #close: () => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#close = resolve;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.received += end - start;
    if (this.onBytes === null) this.text += bytes.toString("latin1", start, end);
    else this.onBytes(bytes, start, end);
  }

  onEnd(): void {
    this.events.push("end");
  }

  onBlocked(): void {
    this.events.push("blocked");
  }

  onDrain(): void {
    this.events.push("drain");
  }

  onClose(error: Error | null): void {
    this.error = error;
    this.events.push("close");
    this.#close();
  }
}

export type Adopt = (socket: Socket, handler: TransportHandler) => Transport;

export interface Accepted extends AsyncDisposable {
  readonly transport: Transport;
  readonly handler: Recorder;
  readonly client: RawClient;
}

/** A client and the transport over the other end of its connection. */
export async function acceptTransport(adopt: Adopt = adoptAccepted, path?: string): Promise<Accepted> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true });
  const port = await listen(server, path === undefined ? {} : { path });
  const accepted = once(server, "connection");
  const client = await connectRaw(path === undefined ? port : { path });
  const [socket] = (await accepted) as [Socket];
  const handler = new Recorder();
  const transport = adopt(socket, handler);
  return {
    transport,
    handler,
    client,
    async [Symbol.asyncDispose]() {
      server.close();
      transport.destroy();
      await client[Symbol.asyncDispose]();
    },
  };
}
