import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { pino } from "pino";
import { startRunning } from "../../src/control/running.ts";
import { until } from "../kit/deadline.ts";
import { countSockets } from "../kit/descriptors.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { connectRaw, type RawClient } from "../kit/raw-client.ts";
import { openUdp, startUdpEcho } from "../kit/udp.ts";
import { Reloading, type SpecChange, toSpec } from "./reloading.ts";
import { get } from "./sluice.ts";

/** A program of two files: one answers with what the other says, and a TCP service says it before each piece. */
async function writeProgram(folder: TemporaryDirectory, word: string): Promise<string> {
  await folder.write("word.ts", `export const word: string = ${JSON.stringify(word)};\n`);
  return await folder.write(
    "program.ts",
    `import { defineServer, httpService, tcpService } from "sluice";
import { word } from "./word.ts";

export default defineServer({
  services: [
    httpService({ listen: ["127.0.0.1:0"], handler: () => ({ status: 200, body: word }) }),
    tcpService({
      listen: ["127.0.0.1:0"],
      handler: async (socket, _client, signal) => {
        signal.addEventListener("abort", () => socket.end("bye;"));
        for await (const piece of socket.iterator({ destroyOnReturn: false })) {
          if (String(piece) === "hang;") for (;;);
          if (String(piece) === "die;") setImmediate(() => { throw new Error("as it was told"); });
          socket.write(word + ":" + piece);
        }
      },
    }),
  ],
});
`,
  );
}

class Programmed implements AsyncDisposable {
  readonly folder: TemporaryDirectory;
  readonly running: Awaited<ReturnType<typeof startRunning>>;
  readonly #file: string;

  private constructor(folder: TemporaryDirectory, file: string, running: Programmed["running"]) {
    this.folder = folder;
    this.#file = file;
    this.running = running;
  }

  static async start(threads: number): Promise<Programmed> {
    const folder = await createTemporaryDirectory();
    const file = await writeProgram(folder, "one");
    const running = await startRunning(specOf(file), threads, pino({ level: "silent" }));
    return new Programmed(folder, file, running);
  }

  async reload(change: SpecChange = {}, threads = 1): Promise<string> {
    return (await this.running.reload(specOf(this.#file, change), threads)).kind;
  }

  async says(): Promise<string> {
    return (await get(this.#port(0))).body.toString();
  }

  connect(): Promise<RawClient> {
    return connectRaw(this.#port(1));
  }

  #port(index: number): number {
    return Number(this.running.addresses[index]?.split(":").at(-1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.running.stop();
    await this.folder[Symbol.asyncDispose]();
  }
}

function specOf(program: string, change: SpecChange = {}): ReturnType<typeof toSpec> {
  return toSpec(null, { program, ...change });
}

async function saidTo(client: RawClient, text: string): Promise<string> {
  await client.write(text);
  return (await client.readUntil(text)).toString();
}

async function trySaying(client: RawClient): Promise<string> {
  await using _ = client;
  return await saidTo(client, "a;").catch(() => "");
}

describe("a new generation", () => {
  test("runs the code as it is now, beside connections of the one before", async () => {
    await using plane = await Programmed.start(1);
    await using client = await plane.connect();
    assert.equal(await saidTo(client, "a;"), "one:a;");
    const loaded = plane.running.modules.map(({ path }) => path).sort();
    assert.deepEqual(loaded, [plane.folder.join("program.ts"), plane.folder.join("word.ts")]);
    assert.ok(plane.running.modules.every(({ digest }) => /^[0-9a-f]{64}$/.test(digest)));

    await plane.folder.write("word.ts", `export const word: string = "two";\n`);
    assert.equal(await plane.reload(), "generation");
    assert.equal(await plane.says(), "two");
    assert.equal(await saidTo(client, "b;"), "one:b;");
    const [current, before] = plane.running.generations;
    assert.deepEqual([current?.number, current?.draining], [2, false]);
    assert.deepEqual(
      [before?.number, before?.draining, before?.threads, before?.connections],
      [1, true, 1, 1],
    );

    // The code is the same: nobody else is needed for it.
    assert.equal(await plane.reload({ errorLog: { level: "error", path: null } }), "swap");
    assert.equal(await plane.says(), "two");
    assert.equal(await saidTo(client, "c;"), "one:c;");
    client.socket.end();
    await client.closed;
    await until("it ends with its last connection", () => plane.running.generations.length === 1);
  });

  test("isn't there when its code can't be loaded: the other goes on", async () => {
    await using plane = await Programmed.start(1);
    await using client = await plane.connect();
    await plane.folder.write("word.ts", "export const word: string = nothing.like.it;\n");
    await assert.rejects(plane.reload(), /word\.ts:1:29: ReferenceError: nothing is not defined/);
    assert.equal(await plane.says(), "one");
    assert.equal(await saidTo(client, "a;"), "one:a;");
    assert.equal(plane.running.generations.length, 1);
    await plane.folder.write("word.ts", `export const word: string = "two";\n`);
    assert.equal(await plane.reload(), "generation");
    assert.equal(await plane.says(), "two");
  });

  test("doesn't keep those before it from being drained with it", async () => {
    await using plane = await Programmed.start(1);
    await using client = await plane.connect();
    assert.equal(await saidTo(client, "a;"), "one:a;");
    await writeProgram(plane.folder, "two");
    await plane.reload();
    await using other = await plane.connect();
    assert.equal(await saidTo(other, "a;"), "two:a;");
    const drained = plane.running.drain(30_000);
    // Each is told that it is over, and ends.
    for (const each of [client, other]) {
      await each.readUntil("bye;");
      each.socket.end();
    }
    await drained;
    assert.equal(
      plane.running.generations.every(({ threads }) => threads === 0),
      true,
    );
  });

  test("takes the place of those that crash by itself, and not of those before it", async () => {
    await using plane = await Programmed.start(1);
    await using client = await plane.connect();
    assert.equal(await saidTo(client, "a;"), "one:a;");
    await writeProgram(plane.folder, "two");
    await plane.reload();
    void client.write("die;");
    await client.closed;
    await until("the first is gone", () => plane.running.generations.length === 1);
    await using other = await plane.connect();
    void other.write("die;");
    await other.closed;
    await until("it is replaced", async () => (await plane.connect().then(trySaying, () => "")) === "two:a;");
    assert.equal(plane.running.counters.workerCrashes, 2);
    assert.deepEqual(
      plane.running.generations.map(({ number, threads }) => [number, threads]),
      [[2, 1]],
    );
  });

  test("needs no answer of one before it that never gives its thread back", async () => {
    await using programmed = await Programmed.start(1);
    const client = await programmed.connect();
    await client.write("hang;");
    await writeProgram(programmed.folder, "two");
    assert.equal(await programmed.reload(), "generation");
    assert.equal(await programmed.says(), "two");
    await programmed.running.answered();
    assert.deepEqual(await programmed.running.traffic.traffic(), []);
    assert.equal(await programmed.reload(), "nothing");
    assert.equal(programmed.running.generations.length, 2);
    client.socket.destroy();
  });

  test("leaves no descriptors when one of its threads can't begin", {
    skip: process.platform !== "linux",
  }, async () => {
    await using programmed = await Programmed.start(2);
    const before = countSockets();
    await programmed.folder.write(
      "word.ts",
      `import { workerData } from "node:worker_threads";
if (workerData.thread === 1) {
  await new Promise((resolve) => setTimeout(resolve, 300));
  throw new Error("as it was told");
}
export const word: string = "never";
`,
    );
    await assert.rejects(programmed.reload({}, 2), /as it was told/);
    assert.ok(countSockets() <= before);
    assert.equal(await programmed.says(), "one");
  });

  test("is given up while it begins when all is to end", async () => {
    await using programmed = await Programmed.start(1);
    const { folder, running } = programmed;
    const marker = folder.join("began");
    const slow = `import { writeFileSync } from "node:fs";
writeFileSync(${JSON.stringify(marker)}, "");
await new Promise(() => void setTimeout(() => undefined, 1e6));
export const word: string = "never";
`;
    await folder.write("word.ts", slow);
    const reload = programmed.reload();
    reload.catch(() => undefined);
    await until("the other one begins", () => existsSync(marker));
    await running.drain(1_000);
    await assert.rejects(reload, { message: "It is being shut down" });
  });

  test("answers on UDP too, beside sessions of the one before", async () => {
    await using origin = await startUdpEcho();
    const text = `listeners: [{ name: dns, protocol: udp, bind: "127.0.0.1:0", upstream: "127.0.0.1:${origin.port}" }]`;
    await using plane = await Reloading.start(text, 1);
    const port = plane.proxyPort("dns");
    await using client = await openUdp();
    assert.equal(await client.ask("a", port), "a");
    await plane.reload(text, { threads: 2 });
    assert.equal(plane.proxyPort("dns"), port);
    for (let i = 0; i < 10; i++) {
      await using other = await openUdp();
      assert.equal(await other.ask("b", port), "b");
      assert.equal(await client.ask("c", port), "c");
    }
    assert.equal(new Set(origin.received.map(({ from }) => from.port)).size, 11);
    assert.equal(plane.running.generations.length, 2);
    await plane.running.steering.cut("dns");
    await until("sessions of the first are gone", () => plane.running.generations.length === 1);
    assert.equal(await client.ask("d", port), "d");
  });

  test("can't be where there are no threads", async () => {
    await using plane = await Programmed.start(0);
    await writeProgram(plane.folder, "two");
    await assert.rejects(plane.reload({}, 0), /Other code can only be run in other threads/);
    assert.equal(await plane.says(), "one");
  });
});
