import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, connect as open, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { until, untilQuick } from "../kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { freePort, listen } from "../kit/ports.ts";
import { runSluice, startSluice } from "../kit/process.ts";
import { type Finished, runInside, startInside } from "./inside.ts";
import { portOf } from "./toxiproxy.ts";

const root = join(import.meta.dirname, "../..");

let directory: TemporaryDirectory;
before(async () => {
  directory = await createTemporaryDirectory();
});
after(() => directory[Symbol.asyncDispose]());

/** A server that sends back what it gets. */
async function startEcho(): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    socket.pipe(socket);
  });
  const port = await listen(server);
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  };
  return { port, [Symbol.asyncDispose]: close };
}

/** A Sluice with one proxy, called tcp, and an API. */
class Server implements AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly #sluice: AsyncDisposable;

  constructor({ api, addresses }: Readonly<Record<string, unknown>>, sluice: AsyncDisposable) {
    this.url = `http://${api}`;
    this.port = portOf((addresses as readonly string[])[0] ?? "");
    this.#sluice = sluice;
  }

  /** In this process. */
  static async start(upstream: number, ...flags: readonly string[]): Promise<Server> {
    const sluice = await startInside([...Server.#command(upstream), ...flags]);
    return new Server(sluice.listening, sluice);
  }

  /** In a process, and there in a thread. */
  static async startProcess(upstream: number): Promise<Server> {
    const program = await startSluice([...Server.#command(upstream), "--json"]);
    const [line] = await program.line(/^\{"event":"listening".*$/);
    return new Server(JSON.parse(line) as Record<string, unknown>, program);
  }

  static #command(upstream: number): readonly string[] {
    return ["tcp", "127.0.0.1:0", `127.0.0.1:${upstream}`, "--api", "127.0.0.1:0"];
  }

  async proxies(): Promise<object> {
    return (await (await fetch(`${this.url}/proxies`)).json()) as object;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sluice[Symbol.asyncDispose]();
  }
}

async function play(server: Server | null, text: string, ...flags: readonly string[]): Promise<Finished> {
  const file = await directory.write("play.yaml", text);
  const host = server === null ? [] : ["--host", server.url];
  return await runInside(["chaos", "play", file, ...host, ...flags]);
}

/** Milliseconds until a byte is back. */
async function echoTime(socket: Socket): Promise<number> {
  const start = performance.now();
  socket.write("x");
  await once(socket, "data");
  return performance.now() - start;
}

async function connectTo(port: number): Promise<Socket> {
  const socket = open(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** Why a connection ended: the code of its error, or "" for an orderly end. */
function endOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
    socket.once("close", () => resolve(""));
    socket.resume();
  });
}

describe("a play", () => {
  test("changes open connections at its times, and undoes it", async () => {
    await using echo = await startEcho();
    await using server = await Server.startProcess(echo.port);
    const before = await server.proxies();
    const socket = await connectTo(server.port);
    await echoTime(socket);
    const endedToo = endOf(socket);
    const ended = endOf(await connectTo(server.port));
    const file = await directory.write(
      "slow.yaml",
      `
steps:
  - { proxy: tcp, ramp: latency 0→150ms over 400ms every 20ms, for: 1500ms }
  - { at: 2s, proxy: tcp, cut: true }
  - { at: 2s, proxy: tcp, disable: true, for: 500ms }
`,
    );
    await using program = await startSluice(["chaos", "play", file, "--host", server.url]);
    await program.line(/ramp latency.latency at 150$/);
    assert.ok((await echoTime(socket)) >= 149);
    await program.line(/undo: ramp/);
    await program.line(/cut all connections/);
    assert.equal(await ended, "ECONNRESET");
    assert.equal(await endedToo, "ECONNRESET");
    await program.line(/ disable$/);
    await assert.rejects(connectTo(server.port), { code: "ECONNREFUSED" });
    assert.deepEqual(await program.exit(), { code: 0, signal: null });
    assert.deepEqual(await server.proxies(), before);
    const again = await connectTo(server.port);
    await untilQuick(149, () => echoTime(again));
    again.destroy();
    assert.equal(program.stderr, "");
  });

  test("of the example runs on a server for Toxiproxy's clients, as it was rehearsed", async () => {
    await using echo = await startEcho();
    await using server = await startSluice(["toxiproxy", "-port", "0"]);
    const [, address] = await server.line(/"address":"([^"]+)".*HTTP server"/);
    const proxyPort = await freePort();
    const env = { DATABASE_PORT: String(echo.port), DATABASE_PROXY_PORT: String(proxyPort) };
    const file = join(root, "examples/scenarios/slow-database.yaml");
    const flags = ["--host", `http://${address}`, "--speed", "10x", "--json"];
    await using program = await startSluice(["chaos", "play", file, ...flags], { env });
    await program.line(/"event":"create"/);
    const socket = await connectTo(proxyPort);
    assert.ok((await echoTime(socket)) >= 0);
    await endOf(socket);
    assert.deepEqual(await program.exit(), { code: 0, signal: null });
    assert.deepEqual(await (await fetch(`http://${address}/proxies`)).json(), {});
    const lines = program.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const { event, name, seed, speed, rounds } = lines[0];
    assert.deepEqual([event, name, seed, speed, rounds], ["begin", "slow database", "7", 10, 1]);
    assert.deepEqual(lines.at(-1).outcome, "done");
    const values = lines.filter((line) => line.event === "value").length;
    assert.ok(values >= 5 && values <= 15, `${values} values of the ramp`);

    const dry = await runInside(["chaos", "play", file, "--dry-run", "--json"], env);
    const plain = (told: Record<string, unknown>[]): unknown[] =>
      told
        .filter((line) => !["begin", "value", "remove", "end"].includes(String(line["event"])))
        .map(({ event: kind, at, step, proxies, text }) => [kind, at, step, proxies, text]);
    const rehearsed = dry.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const [first, ...others] = plain(lines);
    assert.deepEqual((first as unknown[])[0], "create");
    assert.deepEqual(plain(rehearsed).slice(1), others);
  });

  test("needs the server's token", async () => {
    await using echo = await startEcho();
    await using server = await Server.start(echo.port, "--api-token", "secret");
    const steps = "steps: [{ proxy: tcp, mode: deny, for: 100ms }]";
    const refused = await play(server, steps);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /0\.000s {2}\S/);
    assert.equal((await play(server, steps, "--token", "secret")).code, 0);
  });
});

describe("a play that can't go on", () => {
  test("ends with 1, says why, and undoes what it did", async () => {
    await using echo = await startEcho();
    await using server = await Server.start(echo.port);
    const before = await server.proxies();
    const { code, stdout, stderr } = await play(
      server,
      `
steps:
  - { proxy: tcp, mode: latency 5 }
  - { proxy: tcp, toxic: { type: bandwidth, attributes: { rate: 1 } } }
  - { proxy: tcp, toxic: { type: bandwidth } }
`,
    );
    assert.equal(code, 1);
    assert.match(stderr, /step 3 \(line 5\): tcp has a toxic bandwidth_downstream already\n$/);
    assert.match(stdout, /undo: toxic bandwidth_downstream\n.*undo: mode\nfailed\n$/);
    assert.deepEqual(await server.proxies(), before);
  });

  test("ends with 1 when there is no such proxy, no such server, or another kind of server", async () => {
    await using echo = await startEcho();
    await using server = await Server.start(echo.port);
    const steps = "steps: [{ proxy: tpc, mode: deny, for: 100ms }]";
    const missing = await play(server, steps);
    assert.deepEqual([missing.code, missing.stdout.split("\n").at(-2)], [1, "failed"]);
    assert.match(missing.stderr, /there is no proxy tpc; did you mean tcp\?\n$/);
    const port = await freePort();
    const nobody = await play(null, steps, "--host", `localhost:${port}`);
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, new RegExp(`can't reach http://localhost:${port}: connection refused\n$`));
  });

  test("ends with 2, having done nothing, when the file or the usage is wrong", async () => {
    const wrong = await play(null, "steps:\n  - { proxy: tcp, mod: deny }\n");
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /play\.yaml:2:19: steps\[0\]\.mod: unknown key "mod"; did you mean mode\?\n$/);
    assert.equal(wrong.stdout, "");
    const good = "steps: [{ log: a }]";
    for (const flags of [
      ["--speed", "fast"],
      ["--speed", "0"],
      ["--host", "ftp://a"],
      ["--hots", "a"],
    ]) {
      const { code, stderr } = await play(null, good, ...flags);
      assert.equal(code, 2, flags.join(" "));
      assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
    }
    const missing = await runSluice(["chaos", "play", "no-such.yaml"]);
    assert.deepEqual([missing.code, missing.stderr], [2, "no-such.yaml: there is no such file\n"]);
  });
});

describe("a signal", () => {
  const forever = `
proxies: [{ name: own, upstream: 1 }]
repeat: forever
steps:
  - { at: 0s, proxy: [tcp, own], mode: latency 5 }
  - { at: 1m, proxy: tcp, disable: true, for: 1m }
`;
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    test(`${signal} undoes everything, and the exit code is ${code}`, async () => {
      await using echo = await startEcho();
      await using server = await Server.start(echo.port);
      const before = await server.proxies();
      const file = await directory.write(`${signal}.yaml`, forever);
      await using program = await startSluice(["chaos", "play", file, "--host", server.url]);
      await program.line(/mode latency 5$/);
      assert.equal(Object.keys(await server.proxies()).length, 2);
      program.signal(signal);
      assert.deepEqual(await program.exit(), { code, signal: null });
      assert.deepEqual(await server.proxies(), before);
      assert.match(
        program.stdout,
        /stopped\n.*tcp: undo: mode\n.*own: remove\nstopped; everything is undone\n$/,
      );
    });
  }

  test("the second one doesn't wait for a server that doesn't answer", async () => {
    let asked = 0;
    const silent = createServer((socket) => {
      asked++;
      socket.on("error", () => {});
    });
    const port = await listen(silent);
    const file = await directory.write("silent.yaml", forever);
    await using program = await startSluice(["chaos", "play", file, "--host", `127.0.0.1:${port}`]);
    await until("the server is asked", () => asked > 0);
    program.signal("SIGINT");
    program.signal("SIGINT");
    // Two signals that arrive together may be told as one.
    const again = setInterval(() => program.signal("SIGINT"), 50);
    program.exited.finally(() => clearInterval(again));
    assert.deepEqual(await program.exit(), { code: 130, signal: null });
    silent.close();
  });
});

test("the seed makes a play repeatable", async () => {
  const text = "steps: [{ at: 1h±50m, proxy: { one_of: [a, b, c, d] }, mode: deny, for: 2m±1m }]";
  const told = async (...flags: readonly string[]): Promise<string> => {
    const { stdout, code } = await play(null, text, "--dry-run", ...flags);
    assert.equal(code, 0);
    return stdout;
  };
  const once = await told("--seed", "x");
  assert.equal(await told("--seed", "x"), once);
  assert.notEqual(await told("--seed", "y"), once);
  const [, seed = ""] = /seed (\w+)\n/.exec(await told()) ?? [];
  assert.equal(await told("--seed", seed), await told("--seed", seed));
  assert.ok(!once.includes("\u001B"), "colours on no terminal");
});

test("the schema is printed for editors", async () => {
  const { stdout, code } = await runInside(["schema", "--scenario"]);
  assert.equal(code, 0);
  assert.equal(JSON.parse(stdout).title, "Scenario of Sluice");
});
