import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createAuthority } from "../kit/certificates.ts";
import { captureHello } from "../kit/client-hello.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { startOrigin } from "../kit/origins.ts";
import { freePort } from "../kit/ports.ts";
import { type RunningProgram, startSluice } from "../kit/process.ts";
import { connectRaw } from "../kit/raw-client.ts";
import type { RawResponse } from "../kit/raw-message.ts";
import { type RawScript, startRawOrigin } from "../kit/raw-origin.ts";
import { writeIdentity } from "../kit/tls-proxy.ts";
import { request, standstill } from "./proxy.ts";

const root = join(import.meta.dirname, "..", "..");
const ANY_PORT = "127.0.0.1:0";

async function freeAddress(): Promise<string> {
  return `127.0.0.1:${await freePort()}`;
}

function portOf(address: string): number {
  return Number(address.split(":").at(-1));
}

/** Milliseconds until a server has echoed a word. */
async function echoTime(address: string): Promise<number> {
  await using client = await connectRaw(portOf(address));
  const start = performance.now();
  void client.write("hello");
  assert.equal((await client.readExactly(5)).toString(), "hello");
  return performance.now() - start;
}

/** How many of so many datagrams come back. */
async function countEchoes(address: string, datagrams: number): Promise<number> {
  await using socket = createSocket("udp4");
  let echoes = 0;
  socket.on("message", () => echoes++);
  for (let i = 0; i < datagrams; i++) {
    socket.send(`${i}`, portOf(address), "127.0.0.1");
    if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await standstill(() => echoes);
  return echoes;
}

/** A configuration that runs in a process. */
class RunningExample implements AsyncDisposable {
  readonly program: RunningProgram;
  readonly ports: readonly number[];

  constructor(program: RunningProgram, ports: readonly number[]) {
    this.program = program;
    this.ports = ports;
  }

  /** Sends a request on a connection of its own. */
  async ask(line: string, ...headers: readonly string[]): Promise<RawResponse> {
    await using client = await connectRaw(this.ports[0] ?? 0);
    return await client.exchange(request(line, ...headers));
  }

  async statusOf(line: string, ...headers: readonly string[]): Promise<number> {
    return (await this.ask(line, ...headers)).status;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.program[Symbol.asyncDispose]();
  }
}

async function run(
  name: string,
  env: Readonly<Record<string, string>>,
  threads: number,
): Promise<RunningExample> {
  const args = ["run", join("examples", name), "--threads", String(threads), "--json"];
  const program = await startSluice(args, { cwd: root, env });
  const [line] = await program.line(/^\{"event":"listening".*$/);
  const { addresses } = JSON.parse(line) as { addresses: string[] };
  return new RunningExample(program, addresses.map(portOf));
}

describe("the example configuration", () => {
  test("http-faults strikes requests, alike in all threads", async () => {
    await using origin = await startOrigin();
    for (const path of ["/payments/1", "/downloads/a"]) {
      origin.handle(path, ({ response }) => void response.end("x".repeat(50_000)));
    }
    const env = { BIND: ANY_PORT, API: origin.address, ADMIN: await freeAddress() };
    await using example = await run("http-faults.yaml", env, 2);
    for (const client of ["X-Client-Id: ann", "X-Client-Id: bob"]) {
      const statuses = [];
      for (let i = 0; i < 4; i++) statuses.push(await example.statusOf("GET /payments/1", client));
      assert.deepEqual(statuses, [503, 503, 200, 200]);
    }
    const start = performance.now();
    assert.equal((await example.ask("GET /downloads/a")).body.length, 50_000);
    const duration = performance.now() - start;
    assert.ok(duration > 450, `50 KB at 100 KB/s took ${duration} ms`);
    await assert.rejects(example.ask("GET /downloads/a", "X-Test: cut"), /ended \d+ bytes short of 50000/);
    await assert.rejects(example.ask("GET /?fault=garbage"), /not a start line/);
    const maintenance = `http://${env.ADMIN}/proxies/api/http_faults/maintenance`;
    const switched = await fetch(maintenance, { method: "POST", body: '{"enabled":true}' });
    assert.equal(switched.status, 200);
    assert.equal(await example.statusOf("GET /"), 503);
  });

  test("tcp-toxics lays toxics on TCP, UDP and HTTP", async () => {
    await using echo = await startRawOrigin(({ socket }) => void socket.pipe(socket));
    await using echoUdp = createSocket("udp4");
    echoUdp.on("message", (message, from) => echoUdp.send(message, from.port, from.address));
    echoUdp.bind(0, "127.0.0.1");
    await once(echoUdp, "listening");
    await using origin = await startOrigin();
    const env = {
      ADMIN: await freeAddress(),
      DATABASE: await freeAddress(),
      DATABASE_SERVER: echo.address,
      CACHE: await freeAddress(),
      CACHE_SERVER: echo.address,
      NAMES: await freeAddress(),
      NAME_SERVER: `127.0.0.1:${echoUdp.address().port}`,
      WEB: await freeAddress(),
      WEB_SERVER: origin.address,
    };
    await using example = await run("tcp-toxics.yaml", env, 1);
    assert.ok((await echoTime(env.DATABASE)) >= 59);
    const echoes = await countEchoes(env.NAMES, 400);
    assert.ok(echoes > 320 && echoes < 400, `${echoes} of 400 came back`);
    const start = performance.now();
    await using client = await connectRaw(portOf(env.WEB));
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    assert.ok(performance.now() - start >= 79);
    const proxies = (await (await fetch(`http://${env.ADMIN}/proxies`)).json()) as Record<string, unknown>;
    assert.deepEqual(Object.keys(proxies).sort(), ["cache", "database", "names", "web"]);
    const clients = await Promise.all(Array.from({ length: 6 }, () => connectRaw(portOf(env.CACHE))));
    for (const cached of clients) void cached.write("hello");
    // Some may hang, hardly all of them.
    await until("one of them is answered", () => clients.some(({ unread }) => unread.length === 5));
    for (const cached of clients) cached.destroy();
    assert.equal(example.program.stderr.includes("FILTER_FAILED"), false);
  });

  test("tcp-tls opens, passes on and speaks TLS", async () => {
    await using directory = await createTemporaryDirectory();
    const authority = await createAuthority();
    const { cert, key } = await writeIdentity(
      directory,
      "cache",
      await authority.issue({ names: ["localhost"] }),
    );
    const tls = await authority.issue({ names: ["shop.example", "*.internal.example"] });
    const say = (name: string): RawScript => [{ send: name }, { read: "end" }];
    await using cache = await startRawOrigin(say("cache"));
    await using shop = await startRawOrigin(say("shop"));
    await using internal = await startRawOrigin(say("internal"));
    await using database = await startRawOrigin(say("database"), { tls });
    const env = {
      ...{ SECURE: await freeAddress(), PLAIN: await freeAddress(), CERT: cert, KEY: key },
      ...{ NODE_EXTRA_CA_CERTS: await directory.write("ca.pem", authority.cert), DATABASE: database.address },
      ...{ CACHE: cache.address, SHOP: shop.address, INTERNAL: internal.address },
    };
    await using _example = await run("tcp-tls.yaml", env, 0);
    const trusting = { ca: authority.cert, servername: "localhost" };
    await using client = await connectRaw(portOf(env.SECURE), { tls: trusting });
    assert.equal((await client.readExactly(5)).toString(), "cache");
    for (const [servername, origin] of [
      ["shop.example", shop],
      ["x.internal.example", internal],
    ] as const) {
      await using stranger = await connectRaw(portOf(env.SECURE));
      void stranger.write(await captureHello({ servername }));
      // A header of the PROXY protocol, with the name in it, and then the hello.
      const bytes = await (await origin.connection(0)).readExactly(100);
      assert.ok(bytes.subarray(0, 60).includes(servername));
    }
    await using plain = await connectRaw(portOf(env.PLAIN));
    assert.equal((await plain.readExactly(8)).toString(), "database");
  });
});
