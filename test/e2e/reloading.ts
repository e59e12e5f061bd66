import assert from "node:assert/strict";
import { once } from "node:events";
import { constants } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import type { ConnectionOptions } from "node:tls";
import { pino } from "pino";
import { parseConfig } from "../../src/config/load.ts";
import type { ReloadReport } from "../../src/control/reload/report.ts";
import { type Running, startRunning } from "../../src/control/running.ts";
import type { RunSpec } from "../../src/worker/run-spec.ts";
import { Http2Client } from "../kit/http2-client.ts";
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
  ): Promise<ReloadReport> {
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

const REQUEST = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
const LAST_REQUEST = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

/** Clients that go on asking, each in its own way, until they are told to stop. What they don't get is a failure. */
export class SteadyLoad {
  readonly #clients: Promise<void>[] = [];
  readonly #failures: string[] = [];
  readonly #answered = new Map<string, number>();
  #isOver = false;

  /** Requests on one connection, until it is said to be the last; then on another. */
  addKeepAlive(name: string, connect: () => Promise<RawClient>): void {
    this.#add(name, async (ask) => {
      while (!this.#isOver) {
        await using client = await connect();
        let isLast = false;
        while (!isLast && !this.#isOver) {
          await ask(async () => {
            const response = await client.exchange(REQUEST);
            isLast = response.header("connection") === "close";
            return response.status;
          });
        }
      }
    });
  }

  /** A connection for each request. */
  addNew(name: string, connect: () => Promise<RawClient>): void {
    this.#add(name, async (ask) => {
      while (!this.#isOver) {
        await ask(async () => {
          await using client = await connect();
          return (await client.exchange(LAST_REQUEST)).status;
        });
      }
    });
  }

  /** Streams on one connection, until the server says that it is to be the last; then on another. */
  addHttp2(name: string, port: () => number, tls: ConnectionOptions = {}): void {
    this.#add(name, async (ask) => {
      while (!this.#isOver) {
        await using client = new Http2Client(port(), tls);
        await once(client.session, "connect");
        while (client.goaways.length === 0 && !client.closed && !this.#isOver) {
          await ask(async () => {
            const { status, code } = await client.get("/");
            // Node's client refuses its own stream when it learns of the GOAWAY while it opens one.
            if (code === constants.NGHTTP2_REFUSED_STREAM && (await hasHeardOfEnd(client))) return "not sent";
            return code === 0 ? status : `reset ${code}`;
          });
        }
      }
    });
  }

  #add(name: string, run: (ask: (once: () => Promise<unknown>) => Promise<void>) => Promise<void>): void {
    const ask = async (attempt: () => Promise<unknown>): Promise<void> => {
      const answer = await attempt().catch((error: Error) => error.message);
      // There are others on this machine.
      await delay(1);
      if (answer === "not sent") return;
      if (answer === 200) this.#answered.set(name, (this.#answered.get(name) ?? 0) + 1);
      else this.#failures.push(`${name}: ${String(answer)}`);
    };
    const client = run(ask).catch((error: Error) => void this.#failures.push(`${name}: ${error.message}`));
    this.#clients.push(client);
  }

  /** Answers so far, by client. */
  get answered(): ReadonlyMap<string, number> {
    return this.#answered;
  }

  /** Ends it, and makes sure that nothing failed and nobody stood still. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    assert.deepEqual(this.#failures, []);
    assert.equal(this.#answered.size, this.#clients.length);
  }
}

async function hasHeardOfEnd(client: Http2Client): Promise<boolean> {
  await nextTurn();
  return client.goaways.length > 0;
}

/** Makes sure that a connection to something that echoes still stands, and that nothing is lost on the way. */
export async function echoes(client: RawClient, text: string): Promise<void> {
  await client.write(text);
  assert.equal((await client.readUntil(text)).toString(), text);
}
