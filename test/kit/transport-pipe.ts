import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { Address } from "../../src/net/address.ts";
import { connectTo } from "../../src/net/connect.ts";
import { adoptAccepted } from "../../src/net/onread-socket.ts";
import type { Transport, TransportHandler } from "../../src/net/transport.ts";
import { listen } from "./ports.ts";

/** How a pipe treats what it reads. */
export interface PipeOptions {
  /** Keeps every read in the slab that all sockets share. */
  readonly sharedSlabOnly?: boolean;
  /** Reads on when the other end can't keep up, so that everything waits in memory. */
  readonly ignoresBackpressure?: boolean;
  /** Makes the client's side of an accepted socket; `adoptAccepted` when absent. */
  readonly adopt?: (socket: Socket, handler: TransportHandler) => Transport;
}

/** One end of a pipe: what it hears goes to the other end, which slows it down when it can't keep up. */
export class PipeEnd implements TransportHandler {
  transport!: Transport;
  other!: PipeEnd;
  received = 0;
  closed = false;
  error: Error | null = null;
  readonly #options: PipeOptions;

  constructor(options: PipeOptions) {
    this.#options = options;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.received += end - start;
    if (this.#options.sharedSlabOnly === true) this.transport.expectLittle();
    this.other.transport.send(bytes, start, end);
  }

  onEnd(): void {
    this.other.transport.end();
  }

  onBlocked(): void {
    if (this.#options.ignoresBackpressure !== true) this.other.transport.pause();
  }

  onDrain(): void {
    this.other.transport.resume();
  }

  onClose(error: Error | null): void {
    this.closed = true;
    this.error = error;
    if (this.other.closed) return;
    if (error === null) this.other.transport.end();
    else this.other.transport.reset();
  }
}

/** A proxy of bytes: two transports for each connection, joined. */
export class TransportPipe implements AsyncDisposable {
  port = 0;
  /** The clients' ends, in the order of their arrival; the servers' are their `other`. */
  readonly near: PipeEnd[] = [];
  readonly server: Server;

  constructor(target: Address, options: PipeOptions) {
    this.server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
      const near = new PipeEnd(options);
      const far = new PipeEnd(options);
      near.other = far;
      far.other = near;
      near.transport = (options.adopt ?? adoptAccepted)(socket, near);
      far.transport = connectTo(target, {}, far, () => {});
      this.near.push(near);
      this.server.emit("piped", near);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
    for (const end of this.near) {
      end.transport.destroy();
      end.other.transport.destroy();
    }
    await Promise.resolve();
  }

  /** The next client's end. */
  async next(): Promise<PipeEnd> {
    const [end] = await once(this.server, "piped");
    return end as PipeEnd;
  }
}

/** A pipe to `target`, on a port of its own or, with a `path`, on a Unix socket. */
export async function startTransportPipe(
  target: Address,
  options: PipeOptions = {},
  path?: string,
): Promise<TransportPipe> {
  const pipe = new TransportPipe(target, options);
  pipe.port = await listen(pipe.server, path === undefined ? {} : { path });
  return pipe;
}
