// Run as a process of its own. Prints the port of its origin, then runs every StreamSpec that comes as a line of JSON
// and prints its StreamResult. Origin and clients share one event loop, on the transports of the proxy that is measured:
// plain sockets would cost as much again, and a generator that is slower than the proxies measures itself.

import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { connectTo } from "../../src/net/connect.ts";
import { adoptAccepted } from "../../src/net/onread-socket.ts";
import type { Transport, TransportHandler } from "../../src/net/transport.ts";
import { percentile } from "../measure/statistics.ts";
import { askedBy, type StreamResult, type StreamSpec } from "./streams.ts";

/** What a flooding origin writes at a time. It is never changed, so that it may be written as often as one likes. */
const flood = Buffer.alloc(512 * 1024, "The quick brown fox jumps over the lazy dog. ");

/** What both ends of a connection have in common: they hear and speak, and nobody stops them. */
abstract class End implements TransportHandler {
  transport!: Transport;

  abstract onData(bytes: Buffer, start: number, end: number): void;

  onEnd(): void {
    this.transport.destroy();
  }

  onBlocked(): void {}
  onDrain(): void {}
  onClose(_error: Error | null): void {}
}

/** The origin's end of one connection: sends everything back, or floods. */
class OriginEnd extends End {
  #floods = false;
  #began = false;

  override onData(bytes: Buffer, start: number, end: number): void {
    if (!this.#began) {
      this.#began = true;
      this.#floods = bytes[start] === askedBy.bulk;
    }
    if (this.#floods) this.#pour();
    else this.transport.send(bytes, start, end);
  }

  override onDrain(): void {
    if (this.#floods) this.#pour();
  }

  #pour(): void {
    while (!this.transport.blocked && !this.transport.closed) this.transport.send(flood, 0, flood.length);
  }
}

/** A client's end of one connection. */
class ClientEnd extends End {
  readonly #run: Run;
  #missing = 0;
  #sentAt = 0;

  constructor(run: Run) {
    super();
    this.#run = run;
    const { port } = run.spec;
    this.transport = connectTo({ kind: "tcp", host: "127.0.0.1", port }, {}, this, () => this.#begin());
  }

  #begin(): void {
    const { message } = this.#run;
    this.#missing = message.length;
    this.#sentAt = performance.now();
    this.transport.send(message, 0, message.length);
  }

  override onData(_bytes: Buffer, start: number, end: number): void {
    const run = this.#run;
    run.bytes += end - start;
    if (run.spec.kind === "bulk") return;
    this.#missing -= end - start;
    if (this.#missing > 0) return;
    if (this.#missing < 0) run.errors++;
    run.latencies.push(performance.now() - this.#sentAt);
    this.#begin();
  }

  override onClose(): void {
    if (this.#run.running) this.#run.errors++;
  }
}

class Run {
  readonly spec: StreamSpec;
  readonly message: Buffer;
  readonly latencies: number[] = [];
  bytes = 0;
  errors = 0;
  running = true;

  constructor(spec: StreamSpec) {
    this.spec = spec;
    this.message = Buffer.alloc(spec.kind === "bulk" ? 1 : spec.messageBytes, askedBy[spec.kind]);
  }

  async finish(): Promise<StreamResult> {
    const clients = Array.from({ length: this.spec.connections }, () => new ClientEnd(this));
    const from = performance.now();
    await new Promise((resolve) => setTimeout(resolve, this.spec.seconds * 1000));
    this.running = false;
    const seconds = (performance.now() - from) / 1000;
    for (const { transport } of clients) transport.destroy();
    const { bytes, errors } = this;
    const sorted = Float64Array.from(this.latencies).sort();
    const microsOf = (share: number): number =>
      sorted.length === 0 ? 0 : Math.round(percentile([...sorted], share) * 1000);
    return {
      ...{ echoes: sorted.length, bytes, seconds, errors },
      ...{ p50Micros: microsOf(0.5), p99Micros: microsOf(0.99) },
    };
  }
}

const origin = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
  const end = new OriginEnd();
  end.transport = adoptAccepted(socket, end);
});
origin.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  const address = origin.address();
  console.log(JSON.stringify({ originPort: typeof address === "object" ? address?.port : 0 }));
});

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await new Run(JSON.parse(line) as StreamSpec).finish()));
}
process.exit();
