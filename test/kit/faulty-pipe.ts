import type { Socket } from "node:net";
import { type AlarmClock, threadAlarms } from "../../src/base/alarms.ts";
import type { Attributes } from "../../src/chaos/attributes.ts";
import { Faults } from "../../src/chaos/faults.ts";
import { layFaults } from "../../src/chaos/faulty-wire.ts";
import type { ToxicSettings } from "../../src/chaos/toxic.ts";
import { createRegistry } from "../../src/chaos/toxics/index.ts";
import { adoptAccepted } from "../../src/net/onread-socket.ts";
import type { Transport } from "../../src/net/transport.ts";
import type { Adopt } from "./accepted-transport.ts";
import { connectRaw, type RawClient } from "./raw-client.ts";
import { type RawConnection, type RawOrigin, startRawOrigin } from "./raw-origin.ts";
import { type PipeEnd, startTransportPipe, type TransportPipe } from "./transport-pipe.ts";

export interface FaultyPipeOptions {
  readonly adopt?: Adopt;
  /** The clock of this thread when absent. */
  readonly clock?: AlarmClock;
}

/** Both ends of a connection through the pipe, and the pipe's end on the client's side. */
export interface PipedConnection {
  readonly client: RawClient;
  readonly server: RawConnection;
  readonly near: PipeEnd;
}

/** A pipe of bytes from clients to a server, with faults on the clients' connections. */
export class FaultyPipe implements AsyncDisposable {
  readonly faults: Faults;
  /** What toxics threw. */
  readonly failures: unknown[] = [];
  /** Which toxics ended connections: `reset by x`, `closed by x`. */
  readonly cuts: string[] = [];
  origin!: RawOrigin;
  pipe!: TransportPipe;
  readonly #transports: Transport[] = [];
  readonly #adopt: Adopt;

  constructor({ adopt = adoptAccepted, clock = threadAlarms }: FaultyPipeOptions) {
    this.#adopt = adopt;
    this.faults = new Faults({
      name: "pipe",
      registry: createRegistry(),
      clock,
      seed: "seed",
      observer: { onToxicFailed: (_proxy, _toxic, error) => this.failures.push(error) },
    });
    this.faults.whenActive(() => {
      for (const transport of this.#transports) this.#lay(transport);
    });
  }

  async open(): Promise<void> {
    this.origin = await startRawOrigin(() => undefined);
    const { port } = this.origin;
    const adopt: Adopt = (socket: Socket, handler) => {
      const transport = this.#adopt(socket, handler);
      this.#transports.push(transport);
      if (this.faults.isActive) this.#lay(transport);
      return transport;
    };
    this.pipe = await startTransportPipe({ kind: "tcp", host: "127.0.0.1", port }, { adopt });
  }

  #lay(transport: Transport): void {
    layFaults(this.faults, transport, (toxic, isReset) =>
      this.cuts.push(`${isReset ? "reset" : "closed"} by ${toxic}`),
    );
  }

  /** Adds a toxic under the name of its type and stream. */
  add(type: string, stream: "upstream" | "downstream", attributes: Attributes = {}): void {
    const toxic: ToxicSettings = { name: `${type} ${stream}`, type, stream, toxicity: 1, attributes };
    this.faults.add(toxic);
  }

  async connect(): Promise<PipedConnection> {
    const { length } = this.origin.connections;
    const [near, client] = await Promise.all([this.pipe.next(), connectRaw(this.pipe.port)]);
    return { client, near, server: await this.origin.connection(length) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pipe[Symbol.asyncDispose]();
    await this.origin[Symbol.asyncDispose]();
  }
}

export async function startFaultyPipe(options: FaultyPipeOptions = {}): Promise<FaultyPipe> {
  const pipe = new FaultyPipe(options);
  await pipe.open();
  return pipe;
}
