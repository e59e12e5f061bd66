import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { cpuMicros } from "../kit/process.ts";
import { connectRaw, type RawClient } from "../kit/raw-client.ts";
import { runInside, startInside } from "./inside.ts";
import { get, type RunningSluice, startListening } from "./sluice.ts";

const root = new URL("../..", import.meta.url).pathname;

/** Where it listens, in this process or in its own. */
type Listening = Pick<RunningSluice, "port">;

/** A request to /held that has reached the origin. */
async function holdRequest(sluice: Listening, arrived: () => Promise<unknown>): Promise<RawClient> {
  const client = await connectRaw(sluice.port);
  await client.write("GET /held HTTP/1.1\r\nHost: a.example\r\n\r\n");
  await arrived();
  return client;
}

function httpBefore({ address }: Origin): readonly string[] {
  return ["http", "--bind", "127.0.0.1:0", "--upstream", address];
}

/** What is ended by signals: a process, or what stands for it where everything runs in one thread. */
interface Mortal extends Listening, AsyncDisposable {
  /** Resolves with the exit code. */
  end(signal: "SIGTERM" | "SIGINT"): Promise<number | null>;
  /** Resolves when the first signal has been heard. */
  draining(): Promise<unknown>;
}

async function start(threads: number, ...args: readonly string[]): Promise<Mortal> {
  if (threads === 0) {
    const { port, end, [Symbol.asyncDispose]: dispose } = await startInside(args);
    return { port, end, draining: async () => undefined, [Symbol.asyncDispose]: dispose };
  }
  const { program, port } = await startListening([...args, "--threads", String(threads)]);
  return {
    port,
    async end(signal) {
      program.signal(signal);
      const exit = await program.exit();
      assert.equal(exit.signal, null);
      return exit.code;
    },
    draining: () => program.line(/Draining/),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

describe("SIGTERM", () => {
  for (const threads of [0, 2]) {
    test(`lets requests finish and takes no new ones, with ${threads} threads`, async () => {
      await using origin = await startOrigin();
      await using sluice = await start(threads, ...httpBefore(origin));
      await using idle = await connectRaw(sluice.port);
      assert.equal((await idle.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n")).status, 200);
      await using client = await holdRequest(sluice, () => origin.request(1));

      const ended = sluice.end("SIGTERM");
      assert.equal(await idle.closed, "end");
      idle.destroy();
      await until("new connections are refused", () =>
        connectRaw(sluice.port).then(
          async (late) => void (await late[Symbol.asyncDispose]()),
          (error: Error) => /ECONNREFUSED/.test(String(error)),
        ),
      );
      origin.release();
      const response = await client.readResponse();
      assert.deepEqual([response.status, response.body.toString()], [200, "released\n"]);
      assert.equal(response.header("connection"), "close");
      client.destroy();
      assert.equal(await ended, 0);
    });
  }

  for (const threads of [0, 1]) {
    test(`doesn't wait for longer than the grace period, with ${threads} threads`, async () => {
      await using origin = await startOrigin();
      await using directory = await createTemporaryDirectory();
      const file = await directory.write("sluice.yaml", configuration(origin.address, threads, 0.3));
      await using sluice = await start(threads, "run", file);
      await using client = await holdRequest(sluice, () => origin.request(0));
      assert.equal(await sluice.end("SIGTERM"), 0);
      await client.closed;
    });

    test(`is followed by an end at once when it comes twice, with ${threads} threads`, async () => {
      await using origin = await startOrigin();
      await using sluice = await start(threads, ...httpBefore(origin));
      await using client = await holdRequest(sluice, () => origin.request(0));
      const ended = sluice.end("SIGTERM");
      await sluice.draining();
      void sluice.end("SIGTERM");
      assert.equal(await ended, 0);
      await client.closed;
    });
  }
});

describe("SIGTERM, after the grace period,", () => {
  test("ends a program that never gives its thread back", async () => {
    await using directory = await createTemporaryDirectory();
    const program = await directory.write(
      "program.mjs",
      "export default { requestFilter() { for (;;); }, upstreamPeer: () => null };\n",
    );
    const settings =
      "threads: 1\ngrace_period_seconds: 0.1\nlisteners:\n  - bind: 127.0.0.1:0\n    respond: 404\n";
    const file = await directory.write("sluice.yaml", settings);
    await using sluice = await startListening(["run", program, "-c", file]);
    await using client = await connectRaw(sluice.port);
    const before = await cpuMicros(sluice.program.pid);
    await client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until("it is busy", async () => (await cpuMicros(sluice.program.pid)) > before + 500_000);
    sluice.program.signal("SIGTERM");
    assert.deepEqual(await sluice.program.exit(), { code: 0, signal: null });
  });
});

describe("SIGINT", () => {
  for (const threads of [0, 1]) {
    test(`ends at once, with ${threads} threads`, async () => {
      await using origin = await startOrigin();
      await using sluice = await start(threads, ...httpBefore(origin));
      await using client = await holdRequest(sluice, () => origin.request(0));
      assert.equal(await sluice.end("SIGINT"), 0);
      await client.closed;
    });
  }
});

function configuration(upstream: string, threads: number, grace = 30): string {
  return `
threads: ${threads}
grace_period_seconds: ${grace}
listeners:
  - bind: 127.0.0.1:0
    upstream: ${upstream}
`;
}

describe("sluice run", () => {
  test("runs a configuration, by argument and by -c", async () => {
    await using origin = await startOrigin();
    await using directory = await createTemporaryDirectory();
    const file = await directory.write("sluice.yaml", configuration(origin.address, 2));
    await using sluice = await startListening(["run", file]);
    assert.match(sluice.program.stdout, /in 2 threads\n$/);
    await using other = await startInside(["run", "-c", file]);
    for (const { port } of [sluice, other]) assert.equal((await get(port)).body.toString(), "origin\n");
  });

  test("tests a configuration with -t and listens nowhere", async () => {
    await using directory = await createTemporaryDirectory();
    const good = await directory.write("good.yaml", configuration("127.0.0.1:1", 1));
    assert.deepEqual(await runInside(["run", "-t", "-c", good]), {
      ...{ code: 0, stderr: "" },
      stdout: `${good}: the configuration is good\n`,
    });
    const bad = await directory.write("bad.yaml", "listeners:\n  - bind: :8080\n    upsteam: 1\n");
    const { code, stderr } = await runInside(["run", "-t", "-c", bad]);
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`^${bad}:3:5: .*upsteam.*did you mean upstream`));
  });

  test("tests a program with -t and says what is wrong with it", async () => {
    await using directory = await createTemporaryDirectory();
    const good = await directory.write("good.mjs", "export default { upstreamPeer: () => null };\n");
    const tested = await runInside(["run", "-t", good, "--bind", "127.0.0.1:1"]);
    assert.deepEqual([tested.code, tested.stdout], [0, `${good}: the program is good\n`]);
    const texts = ["export default {", "export default 1;\n", "throw new Error('no');\n"];
    for (const [i, text] of texts.entries()) {
      const bad = await directory.write(`bad${i}.mjs`, text);
      const { code, stderr } = await runInside(["run", "-t", bad, "--bind", "127.0.0.1:1"]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /^sluice: .*bad\d\.mjs/);
    }
    const listeners = "listeners: [{ bind: 127.0.0.1:1, respond: 204 }]\n";
    const file = await directory.write("nobody.yaml", `${listeners}user: nobody-of-that-name\n`);
    const { code, stderr } = await runInside(["run", "-t", good, "-c", file]);
    assert.deepEqual([code, stderr], [2, "sluice: There is no user nobody-of-that-name\n"]);
  });

  test("takes a program's settings and listeners from a configuration", async () => {
    await using origin = await startOrigin();
    await using directory = await createTemporaryDirectory();
    const settings = "threads: 1\nlisteners:\n  - bind: 127.0.0.1:0\n    respond: 404\n";
    const file = await directory.write("sluice.yaml", settings);
    const program = await directory.write("program.ts", programText(origin.port));
    await using sluice = await startInside(["run", program, "-c", file]);
    const response = await get(sluice.port);
    assert.deepEqual([response.status, response.header("x-by")], [200, "program"]);
  });

  test("keeps its process id in pid_file while it runs", async () => {
    await using directory = await createTemporaryDirectory();
    const pidFile = directory.join("sluice.pid");
    const text = `pid_file: \${PID_FILE}\n${configuration("127.0.0.1:1", 1)}`;
    const file = await directory.write("sluice.yaml", text);
    const env = { PID_FILE: pidFile };
    {
      await using sluice = await startListening(["run", file], { env });
      assert.equal(await readFile(pidFile, "utf8"), `${sluice.program.pid}\n`);

      const second = await runInside(["run", file], env);
      assert.equal(second.code, 1);
      assert.match(second.stderr, /sluice\.pid belongs to process \d+, which is running/);
      assert.equal(second.stdout, "", "it must not have listened");

      sluice.program.signal("SIGTERM");
      assert.equal((await sluice.program.exit()).code, 0);
      assert.equal(existsSync(pidFile), false);
    }
    await directory.write("sluice.pid", "999999999\n");
    await using sluice = await startInside(["run", file], env);
    assert.equal(await readFile(pidFile, "utf8"), `${process.pid}\n`);
    assert.equal(await sluice.end("SIGINT"), 0);
    assert.equal(existsSync(pidFile), false);
  });
});

/** A proxy that crashes its thread when it is asked for /crash. */
function programText(port: number): string {
  return `
    import { defineProxy, HttpPeer } from "${root}src/index.ts";

    export default defineProxy({
      requestFilter(session) {
        if (session.request.path !== "/crash") return;
        setTimeout(() => { throw new Error("thrown in a timer"); });
        return new Promise(() => {});
      },
      upstreamPeer: () => new HttpPeer("127.0.0.1:${port}"),
      responseFilter(_session, response) {
        response.headers.set("x-by", "program");
      },
    });
  `;
}

describe("a worker that crashes", () => {
  async function startProgram(
    directory: TemporaryDirectory,
    port: number,
    threads: string,
  ): Promise<RunningSluice> {
    const program = await directory.write("program.ts", programText(port));
    return await startListening(["run", program, "--bind", "127.0.0.1:0", "--threads", threads]);
  }

  async function crash(sluice: RunningSluice): Promise<void> {
    sluice.program.clear();
    await assert.rejects(get(sluice.port, "/crash"), /reset|ended/);
    const [line] = await sluice.program.line(/^.*A worker crashed.*$/);
    assert.match(line, /thrown in a timer/);
  }

  async function isServed(sluice: RunningSluice): Promise<void> {
    // Whoever connects meanwhile waits in the queue of the crashed worker's socket.
    const waiting = Array.from({ length: 8 }, () => get(sluice.port));
    for (const { status } of await Promise.all(waiting)) assert.equal(status, 200);
    await sluice.program.line(/A crashed worker was replaced/);
  }

  test("is logged and replaced, though it is the only one", async () => {
    await using directory = await createTemporaryDirectory();
    await using origin = await startOrigin();
    await using sluice = await startProgram(directory, origin.port, "1");
    await crash(sluice);
    await isServed(sluice);
    sluice.program.signal("SIGTERM");
    assert.deepEqual(await sluice.program.exit(), { code: 0, signal: null });
  });

  test("takes no request of the other workers along, and is replaced each time", async () => {
    await using directory = await createTemporaryDirectory();
    await using origin = await startOrigin();
    await using sluice = await startProgram(directory, origin.port, "2");
    const clients = await Promise.all(
      Array.from({ length: 16 }, (_, i) => holdRequest(sluice, () => origin.request(i))),
    );
    await crash(sluice);
    origin.release();
    const outcomes = await Promise.allSettled(clients.map((client) => client.readResponse()));
    const whole = outcomes.filter(({ status }) => status === "fulfilled").length;
    assert.ok(whole > 0 && whole < 16, `${whole} of 16 answered`);
    for (const client of clients) await client[Symbol.asyncDispose]();
    await isServed(sluice);
    await crash(sluice);
    await isServed(sluice);
    sluice.program.signal("SIGTERM");
    assert.deepEqual(await sluice.program.exit(), { code: 0, signal: null });
  });

  test("ends the program where there are no workers", async () => {
    await using directory = await createTemporaryDirectory();
    await using origin = await startOrigin();
    await using sluice = await startProgram(directory, origin.port, "0");
    assert.match(sluice.program.stdout, / in the main thread\n$/);
    await assert.rejects(get(sluice.port, "/crash"), /reset|ended/);
    assert.equal((await sluice.program.exit()).code, 1);
    assert.match(sluice.program.stderr, /thrown in a timer/);
  });
});
