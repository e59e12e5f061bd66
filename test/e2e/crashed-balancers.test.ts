// In a process of its own: the toxic that it loads stays known.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { pino } from "pino";
import { loadConfig } from "../../src/config/load.ts";
import { type Running, startRunning } from "../../src/control/running.ts";
import type { ServerStatus } from "../../src/upstream/group-status.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { connectRaw, type RawClient } from "../kit/raw-client.ts";
import { writeDeadlyToxic } from "./deadly-toxic.ts";
import { get } from "./sluice.ts";

let directory: TemporaryDirectory;
/** Requests that are under way when a thread crashes, which is as many as may be. */
const HELD = 12;
/** A process knows it by one path only. */
let deadly: string;

before(async () => {
  directory = await createTemporaryDirectory();
  deadly = await writeDeadlyToxic(directory);
});

after(() => directory[Symbol.asyncDispose]());

/** A balancer over two origins, in threads of this process, one of which can be made to crash. */
class Crashable implements AsyncDisposable {
  readonly a: Origin;
  readonly b: Origin;
  readonly #running: Running;
  readonly #rest: AsyncDisposable;

  constructor(running: Running, a: Origin, b: Origin, rest: AsyncDisposable) {
    this.#running = running;
    this.a = a;
    this.b = b;
    this.#rest = rest;
  }

  get port(): number {
    return Number(this.#running.addresses[0]?.split(":").at(-1));
  }

  get crashes(): number {
    return this.#running.counters.workerCrashes;
  }

  drain(origin: Origin): void {
    this.#running.upstreams.order("app", origin.address, "draining");
  }

  status(origin: Origin): ServerStatus {
    return this.#running.upstreams.getServer("app", origin.address);
  }

  /** Ends the thread that the connection comes to, and waits until it is noticed. */
  async crash(): Promise<void> {
    const { steering } = this.#running;
    const before = this.crashes;
    await steering.addToxic("web", {
      ...{ name: "bad", type: "deadly", stream: "upstream", toxicity: 1, attributes: {} },
    });
    await get(this.port).catch(() => undefined);
    await until("a thread has crashed", () => this.crashes > before);
    await steering.removeToxic("web", "bad");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.stop();
    await this.#rest[Symbol.asyncDispose]();
  }
}

async function startCrashable(threads: number): Promise<Crashable> {
  await using rest = new AsyncDisposableStack();
  const a = rest.use(await startOrigin({ name: "a" }));
  const b = rest.use(await startOrigin({ name: "b" }));
  const path = await directory.write(
    "sluice.yaml",
    `listeners:
  - name: web
    bind: "127.0.0.1:0"
    routes:
      - { upstream: app, limits: { limit: ${HELD}, by: all, algorithm: concurrency } }
upstreams:
  app: ["${a.address}", "${b.address}"]
`,
  );
  const spec = {
    snapshot: loadConfig(path, {}),
    ...{ program: null, binds: [], accessLog: null, instance: "test", seed: "seed" },
    errorLog: { level: "silent", path: null } as const,
    toxics: [deadly],
  };
  const running = await startRunning(spec, threads, pino({ level: "silent" }));
  return new Crashable(running, a, b, rest.move());
}

/** A request that the origin keeps waiting, each on a connection of its own. */
async function holdOne(port: number): Promise<RawClient> {
  const client = await connectRaw(port);
  void client.write("GET /held HTTP/1.1\r\nHost: a.example\r\n\r\n");
  return client;
}

describe("when a thread of a balancer crashes", () => {
  for (const threads of [1, 2]) {
    test(`what was ordered stands, and what it had under way is over, with ${threads} threads`, async () => {
      await using crashable = await startCrashable(threads);
      const { a, b } = crashable;
      crashable.drain(b);
      await using clients = new AsyncDisposableStack();
      const held: RawClient[] = [];
      for (let i = 0; i < HELD; i++) held.push(clients.use(await holdOne(crashable.port)));
      await until("all are under way", () => crashable.status(a).requests === HELD);
      assert.equal((await get(crashable.port)).status, 429);
      let lost = 0;
      for (const client of held) void client.closed.then(() => lost++);
      await crashable.crash();
      // The other thread, if there is one, keeps what is its own; how much that is decides the kernel.
      await until("the rest is counted", () => crashable.status(a).requests === HELD - lost);
      if (threads === 1) assert.equal(lost, HELD);
      await until(
        "it is replaced",
        async () => (await get(crashable.port).catch(() => null))?.status === 200,
      );
      for (let i = 0; i < 8; i++) assert.equal((await get(crashable.port)).header("x-origin"), "a");
      assert.equal(crashable.status(b).state, "draining");
      assert.equal(b.requests.length, 0);
      a.release();
      await until("nothing is under way", () => crashable.status(a).requests === 0);
      assert.equal(crashable.crashes, 1);
    });
  }
});
