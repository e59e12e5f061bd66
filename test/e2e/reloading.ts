import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { pino } from "pino";
import { parseConfig } from "../../src/config/load.ts";
import type { RunReport } from "../../src/control/reload/report.ts";
import { type Running, startRunning } from "../../src/control/running.ts";
import type { RunSpec } from "../../src/worker/run-spec.ts";
import { listen } from "../kit/ports.ts";
import type { RawClient } from "../kit/raw-client.ts";

/** What of a spec a test wants otherwise than the text of a configuration says. */
export type SpecChange = Partial<Omit<RunSpec, "snapshot">>;

/** @param text a configuration; null for none */
export function toSpec(text: string | null, change: SpecChange = {}): RunSpec {
  return {
    snapshot: text === null ? null : parseConfig(text, "test.yaml", {}),
    ...{ program: null, binds: [], accessLog: null, instance: "test", seed: "seed" },
    errorLog: { level: "silent", path: null },
    ...change,
  };
}

/** A data plane that takes over one configuration after the other. */
export class Reloading implements AsyncDisposable {
  readonly running: Running;
  readonly #threads: number;

  private constructor(running: Running, threads: number) {
    this.running = running;
    this.#threads = threads;
  }

  static async start(text: string, threads: number, change: SpecChange = {}): Promise<Reloading> {
    const running = await startRunning(toSpec(text, change), threads, pino({ level: "silent" }));
    return new Reloading(running, threads);
  }

  reload(
    text: string,
    { threads = this.#threads, ...change }: SpecChange & { threads?: number } = {},
  ): Promise<RunReport> {
    return this.running.reload(toSpec(text, change), threads);
  }

  /** Of the listener with this index. */
  port(index: number): number {
    return Number(this.running.addresses[index]?.split(":").at(-1));
  }

  /** Of a TCP proxy. */
  proxyPort(name: string): number {
    return Number(this.running.steering.get(name).listen.split(":").at(-1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.running.stop();
  }
}

/** Sends back what it gets. */
export async function startEcho(): Promise<
  AsyncDisposable & { readonly port: number; readonly accepted: number }
> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server: Server = createServer((socket) => {
    accepted++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => undefined);
    socket.pipe(socket);
  });
  const port = await listen(server);
  return {
    port,
    get accepted() {
      return accepted;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Makes sure that a connection to something that echoes still stands, and that nothing is lost on the way. */
export async function echoes(client: RawClient, text: string): Promise<void> {
  await client.write(text);
  assert.equal((await client.readUntil(text)).toString(), text);
}
