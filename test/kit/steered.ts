import { pino } from "pino";
import { type Running, startRunning } from "../../src/control/running.ts";
import type { Steering } from "../../src/control/steering.ts";

/** The real control plane with its threads, and nothing in it yet. */
export class Steered implements AsyncDisposable {
  readonly steering: Steering;
  readonly #running: Running;

  constructor(running: Running) {
    this.#running = running;
    this.steering = running.steering;
  }

  /** A proxy to a server of this machine; its port. */
  async proxyTo(name: string, upstreamPort: number): Promise<number> {
    const upstreams = [`127.0.0.1:${upstreamPort}`];
    const { listen } = await this.steering.create({ name, listen: "127.0.0.1:0", upstreams });
    return Number(listen.split(":").at(-1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.stop();
  }
}

/** @param threads 0 runs the data plane in this thread */
export async function startSteered(threads: number): Promise<Steered> {
  const spec = {
    snapshot: null,
    program: null,
    binds: [],
    accessLog: null,
    errorLog: { level: "silent", path: null },
    instance: "test",
    seed: "seed",
  } as const;
  return new Steered(await startRunning(spec, threads, pino({ level: "silent" })));
}
