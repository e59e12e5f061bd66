import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { describe, test } from "node:test";
import { patience, withDeadline } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { freePort } from "../kit/ports.ts";
import { startSluice } from "../kit/process.ts";
import { closureOf, connectRaw } from "../kit/raw-client.ts";
import { type RawOrigin, startRawOrigin } from "../kit/raw-origin.ts";
import { type InsideSluice, runInside, startInside } from "./inside.ts";
import { type RunningSluice, startListening } from "./sluice.ts";

/** A server that says what it hears. */
function startEcho(): Promise<RawOrigin> {
  return startRawOrigin(async ({ socket }) => void socket.pipe(socket));
}

/** In this process. */
function startTcp(upstream: string, ...flags: readonly string[]): Promise<InsideSluice> {
  return startInside(["tcp", "127.0.0.1:0", upstream, ...flags]);
}

async function echo(port: number, text: string): Promise<string> {
  await using client = await connectRaw(port);
  await client.write(text);
  return (await client.readExactly(text.length)).toString();
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

describe("sluice tcp without a terminal", () => {
  test("relays, tries the next server, prints events as lines, and ends by SIGTERM", async () => {
    await using origin = await startEcho();
    const dead = `127.0.0.1:${await freePort()}`;
    await using sluice = await startListening(["tcp", "127.0.0.1:0", dead, origin.address]);
    assert.equal(await echo(sluice.port, "hello"), "hello");
    await sluice.program.line(/^\S+Z opened +tcp {2}127\.0\.0\.1:\d+/);
    await sluice.program.line(/^\S+Z closed +tcp {2}127\.0\.0\.1:\d+/);
    sluice.program.signal("SIGTERM");
    assert.deepEqual(await sluice.program.exit(), { code: 0, signal: null });
  });

  test("prints JSON lines with --json", async () => {
    await using origin = await startEcho();
    await using sluice = await startJson("tcp", origin.address, "--seed", "7");
    assert.deepEqual([sluice.listening["threads"], sluice.listening["seed"]], [1, "7"]);
    assert.equal(await echo(sluice.port, "hello"), "hello");
    const [line = ""] = await sluice.program.line(/^.*"event":"opened".*$/);
    const { event, proxy, client, time } = JSON.parse(line) as Record<string, string>;
    assert.deepEqual([event, proxy], ["opened", "tcp"]);
    assert.match(client ?? "", /^127\.0\.0\.1:\d+$/);
    assert.ok(Math.abs(Date.parse(time ?? "") - Date.now()) < patience);
  });

  test("listens on a bare port, and ends by SIGINT", async () => {
    await using origin = await startEcho();
    await using sluice = await startListening(["tcp", "0", String(origin.port), "--threads", "0"]);
    assert.match(sluice.program.stdout, /in the main thread/);
    assert.equal(await echo(sluice.port, "hello"), "hello");
    sluice.program.signal("SIGINT");
    assert.equal((await sluice.program.exit()).code, 0);
  });

  test("begins with --mode", async () => {
    await using origin = await startEcho();
    await using slow = await startTcp(origin.address, "--mode", "latency 100 upstream");
    assert.ok((await milliseconds(() => echo(slow.port, "hello"))) >= 99);
    await using denied = await startTcp(origin.address, "--mode", "deny");
    assert.equal(await closureOf(denied.port), "reset");
    await denied.line(/"event":"refused"/);
  });

  test("lays several toxics on connections with --toxic", async () => {
    await using origin = await startEcho();
    const toxics = ["latency latency=0.1s upstream", "limit_data bytes=3"];
    await using sluice = await startTcp(origin.address, ...toxics.flatMap((toxic) => ["--toxic", toxic]));
    await using client = await connectRaw(sluice.port);
    const waited = await milliseconds(async () => {
      await client.write("hello");
      assert.equal((await client.readToEnd()).toString(), "hel");
    });
    assert.ok(waited >= 99, `${waited} ms`);
  });

  test("draws the same lots with the same --seed", async () => {
    await using origin = await startEcho();
    const outcomes = async (): Promise<string> => {
      const toxic = "limit_data bytes=3 toxicity=0.5";
      await using sluice = await startTcp(origin.address, "--toxic", toxic, "--seed", "one");
      let lots = "";
      for (let i = 0; i < 16; i++) {
        await using client = await connectRaw(sluice.port);
        await client.write("hello");
        client.end();
        lots += (await client.readToEnd()).length === 3 ? "x" : "-";
      }
      return lots;
    };
    const first = await outcomes();
    assert.match(first, /x.*-|-.*x/);
    assert.equal(await outcomes(), first);
  });

  test("closes idle connections, and takes no more than it may", async () => {
    await using origin = await startEcho();
    const flags = ["--idle-timeout", "200ms", "--max-connections", "1"];
    await using sluice = await startTcp(origin.address, ...flags);
    await using client = await connectRaw(sluice.port);
    await client.write("a");
    await client.readExactly(1);
    await closureOf(sluice.port);
    await sluice.line(/"event":"refused"/);
    await client.closed;
    await sluice.line(/"event":"timeout"/);
  });

  test("tells the server who the client is with --send-proxy-protocol", async () => {
    await using origin = await startEcho();
    await using sluice = await startTcp(origin.address, "--send-proxy-protocol", "v1");
    await using client = await connectRaw(sluice.port);
    await client.write("hello");
    const received = (await client.readUntil("hello")).toString();
    assert.match(received, /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\nhello$/);
  });
});

test("the interface is loaded only when it is shown", async () => {
  await using directory = await createTemporaryDirectory();
  const hook = await directory.write(
    "no-ink.mjs",
    `import { registerHooks } from "node:module";
     const forbidden = new Set(["ink", "react"]);
     const resolve = (name, context, next) => {
       if (forbidden.has(name)) throw new Error(name + " is loaded");
       return next(name, context);
     };
     registerHooks({ resolve });`,
  );
  await using origin = await startEcho();
  const env = { NODE_OPTIONS: `--import ${hook}` };
  await using sluice = await startListening(["tcp", "127.0.0.1:0", origin.address], { env });
  assert.equal(await echo(sluice.port, "hello"), "hello");
});

describe("the API beside it", () => {
  test("is mounted with --api, steers the proxy, and asks for the token", async () => {
    await using origin = await startEcho();
    const flags = ["--api", "127.0.0.1:0", "--api-token", "secret"];
    await using sluice = await startTcp(origin.address, ...flags);
    const url = `http://${sluice.listening["api"]}`;
    assert.equal((await fetch(`${url}/proxies`)).status, 401);
    const headers = { authorization: "Bearer secret" };
    const proxies = await (await fetch(`${url}/proxies`, { headers })).json();
    assert.deepEqual(Object.keys(proxies as object), ["tcp"]);
    const toxic = JSON.stringify({ type: "limit_data", attributes: { bytes: 2 } });
    const added = await fetch(`${url}/proxies/tcp/toxics`, { method: "POST", headers, body: toxic });
    assert.equal(added.status, 200);
    await using client = await connectRaw(sluice.port);
    await client.write("hello");
    assert.equal((await client.readToEnd()).toString(), "he");
  });
});

describe("sluice udp", () => {
  test("relays datagrams, with faults", async () => {
    await using server = await bindUdp();
    server.socket.on("message", (data, from) => server.socket.send(data, from.port, from.address));
    await using sluice = await startInside(["udp", "127.0.0.1:0", `127.0.0.1:${server.port}`]);
    assert.equal(await ask(sluice.port, "hello"), "hello");
    const upstream = `127.0.0.1:${server.port}`;
    await using slow = await startListening(["udp", "127.0.0.1:0", upstream, "--mode", "latency 50"]);
    assert.ok((await milliseconds(() => ask(slow.port, "hello"))) >= 99);
    await slow.program.line(/ opened +udp /);
  });
});

interface UdpEnd extends AsyncDisposable {
  readonly socket: Socket;
  readonly port: number;
}

async function bindUdp(): Promise<UdpEnd> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const close = async (): Promise<void> => {
    socket.close();
    await once(socket, "close");
  };
  return { socket, port: socket.address().port, [Symbol.asyncDispose]: close };
}

async function ask(port: number, text: string): Promise<string> {
  await using client = await bindUdp();
  const answered = once(client.socket, "message");
  client.socket.send(text, port, "127.0.0.1");
  const [data] = (await withDeadline(answered, patience, () => "a datagram")) as [Buffer];
  return data.toString();
}

interface JsonSluice extends RunningSluice {
  /** The line that says where it listens. */
  readonly listening: Record<string, unknown>;
}

async function startJson(
  command: string,
  upstream: string,
  ...flags: readonly string[]
): Promise<JsonSluice> {
  const program = await startSluice([command, "127.0.0.1:0", upstream, "--json", ...flags]);
  const [line = ""] = await program.line(/^.*"event":"listening".*$/);
  const listening = JSON.parse(line) as JsonSluice["listening"];
  const addresses = listening["addresses"] as string[];
  const port = Number(addresses[0]?.split(":").at(-1));
  return { program, addresses, port, listening, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

describe("wrong usage", () => {
  const WRONG: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [["tcp"], /missing required argument 'listen'/],
    [["tcp", "0"], /no server to relay to/],
    [["tcp", "host", "1"], /Address "host" is none/],
    [["tcp", "0", "1:2:3"], /Address "1:2:3" is none/],
    [["tcp", "0", "1", "--mode", "latency"], /latency needs milliseconds/],
    [["tcp", "0", "1", "--toxic", "latncy"], /did you mean latency\?/],
    [["tcp", "0", "1", "--toxic", "noop", "--toxic", "noop"], /toxic noop_downstream/],
    [["tcp", "0", "1", "--idle-timeout", "30"], /Expected a duration/],
    [["tcp", "0", "1", "--send-proxy-protocol", "v3"], /Allowed choices are v1, v2/],
    [["tcp", "0", "1", "--api", "unix:/x"], /Expected a host and port/],
    [["udp", "0", "1", "--send-proxy-protocol", "v1"], /Allowed choices are v2/],
    [["udp", "0", "1", "2"], /too many arguments/],
  ];
  for (const [args, message] of WRONG) {
    test(`sluice ${args.join(" ")}`, async () => {
      const { code, stderr, stdout } = await runInside(args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
      assert.match(stderr, /^sluice: [^\n]+\n$/);
      assert.equal(stdout, "");
    });
  }
});

test("an address that is taken is no wrong usage, wherever it stands", async () => {
  await using origin = await startEcho();
  const taken = await runInside(["tcp", origin.address, "1"]);
  assert.deepEqual([taken.code, taken.stdout], [1, ""]);
  assert.match(taken.stderr, /Can't listen on .*another program listens there already\n/);
  const api = await runInside(["tcp", "127.0.0.1:0", "1", "--api", origin.address]);
  assert.deepEqual([api.code, api.stdout], [1, ""]);
  assert.match(api.stderr, /Can't mount the API on .*: another program listens there already\n/);
});
