import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import WebSocket, { WebSocketServer } from "ws";
import { ALLOW, type Mode } from "../../src/chaos/mode.ts";
import { until } from "../kit/deadline.ts";
import { startOrigin } from "../kit/origins.ts";
import { patternBytes } from "../kit/pattern.ts";
import { findProgram, skipWithout } from "../kit/peer.ts";
import { type RunningProgram, runProgram } from "../kit/process.ts";
import { RedisClient, startRedis } from "../kit/redis.ts";
import { type Steered, startSteered } from "../kit/steered.ts";

const MB = 1024 * 1024;

const latency: Mode = { kind: "latency", latency: 150, jitter: 0, stream: "both" };
const timeout: Mode = { kind: "timeout", timeout: 300, stream: "both" };

function throttle(rate: number): Mode {
  return { kind: "throttle", rate, stream: "both" };
}

async function timed<T>(work: Promise<T>): Promise<{ result: T; milliseconds: number }> {
  const start = performance.now();
  const result = await work;
  return { result, milliseconds: performance.now() - start };
}

describe("modes, seen by Redis and its clients", { skip: skipWithout("redis-server") }, () => {
  let redis: { program: RunningProgram; port: number };
  let steered: Steered;
  let port = 0;

  before(async () => {
    redis = await startRedis();
    steered = await startSteered(1);
    port = await steered.proxyTo("redis", redis.port);
  });

  after(async () => {
    await steered[Symbol.asyncDispose]();
    await redis.program[Symbol.asyncDispose]();
  });

  const set = (mode: Mode): Promise<void> => steered.steering.setMode("redis", mode);

  test("latency begins and ends on a connection that is open", async () => {
    await set(ALLOW);
    using client = await RedisClient.connect(port);
    assert.equal(await client.ask("PING"), "PONG");
    await set(latency);
    const slow = await timed(client.ask("PING"));
    assert.equal(slow.result, "PONG");
    assert.ok(slow.milliseconds >= 299, `${slow.milliseconds}`);
    await set(ALLOW);
    assert.ok((await timed(client.ask("PING"))).milliseconds < 299);
  });

  test("deny refuses new connections and leaves the others, until they are cut", async () => {
    await set(ALLOW);
    using client = await RedisClient.connect(port);
    await client.ask("PING");
    await set({ kind: "deny", cut: false });
    await assert.rejects(async () => {
      using refused = await RedisClient.connect(port);
      await refused.ask("PING");
    });
    assert.equal(await client.ask("PING"), "PONG");
    const { closed } = client;
    await set({ kind: "deny", cut: true });
    assert.equal(await closed, "ECONNRESET");
    await set(ALLOW);
    using again = await RedisClient.connect(port);
    assert.equal(await again.ask("PING"), "PONG");
  });

  test("timeout closes a connection that says nothing, and no other", async () => {
    await set(ALLOW);
    using idle = await RedisClient.connect(port);
    using busy = await RedisClient.connect(port);
    await idle.ask("PING");
    await busy.ask("PING");
    const closed = timed(idle.closed);
    let isClosed = false;
    void closed.then(() => {
      isClosed = true;
    });
    await set(timeout);
    while (!isClosed) {
      assert.equal(await busy.ask("PING"), "PONG");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok((await closed).milliseconds >= 290);
  });

  test("all change in the middle of 100 MB each way, and no byte is lost", { timeout: 60_000 }, async () => {
    await set(ALLOW);
    const value = patternBytes(100 * MB, 0, 3);
    using client = await RedisClient.connect(port);
    const sent = async (): Promise<number> => (await steered.steering.connections("redis"))[0]?.bytesUp ?? 0;
    const stored = client.ask("SET", "large", value);
    await set(throttle(20 * MB));
    await until("some was sent", async () => (await sent()) > 5 * MB);
    await set({ ...latency, latency: 40 });
    await until("more was sent", async () => (await sent()) > 40 * MB);
    await set(throttle(40 * MB));
    await until("most was sent", async () => (await sent()) > 60 * MB);
    await set(ALLOW);
    assert.equal(await stored, "OK");
    const fetched = client.ask("GET", "large");
    await set(throttle(20 * MB));
    await until("some came", () => client.bytesReceived > 5 * MB);
    await set(timeout);
    await until("more came", () => client.bytesReceived > 30 * MB);
    await set({ ...latency, latency: 40 });
    await until("most came", () => client.bytesReceived > 60 * MB);
    await set(ALLOW);
    assert.ok(value.equals((await fetched) as Buffer));
  });

  test("throttle holds the rate that it is given", async () => {
    await set(throttle(2 * MB));
    using client = await RedisClient.connect(port);
    const { milliseconds } = await timed(client.ask("SET", "medium", patternBytes(2 * MB)));
    assert.ok(milliseconds > 900 && milliseconds < 2000, `${milliseconds}`);
    await set(ALLOW);
  });
});

describe("modes, seen by curl", { skip: skipWithout("curl") }, () => {
  test("each as what it is", async () => {
    await using steered = await startSteered(1);
    await using origin = await startOrigin();
    const port = await steered.proxyTo("web", origin.port);
    const curl = (...args: readonly string[]) =>
      runProgram(findProgram("curl")!, [
        "-sS",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} %{time_total}",
        ...args,
      ]);
    const url = `http://127.0.0.1:${port}/`;
    const seconds = async (): Promise<number> => {
      const { code, stdout } = await curl(url);
      assert.equal(code, 0);
      return Number(stdout.split(" ")[1]);
    };
    await seconds();
    await steered.steering.setMode("web", latency);
    assert.ok((await seconds()) >= 0.299);
    await steered.steering.setMode("web", { kind: "deny", cut: false });
    // Reset as soon as it stood, or before curl had noticed that it did.
    assert.ok([56, 7].includes((await curl(url)).code ?? 0));
    await steered.steering.setMode("web", ALLOW);
    await seconds();
  });
});

describe("modes, seen by a WebSocket", () => {
  test("each as what it is, on one connection", async () => {
    await using steered = await startSteered(1);
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    server.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    const { port: serverPort } = server.address() as { port: number };
    const port = await steered.proxyTo("chat", serverPort);
    const client = new WebSocket(`ws://127.0.0.1:${port}`);
    await once(client, "open");
    const echo = async (text: string): Promise<number> => {
      const start = performance.now();
      client.send(text);
      const [data] = (await once(client, "message")) as [Buffer];
      assert.equal(data.toString(), text);
      return performance.now() - start;
    };
    await echo("plain");
    await steered.steering.setMode("chat", latency);
    assert.ok((await echo("slow")) >= 299);
    await steered.steering.setMode("chat", throttle(1000));
    assert.ok((await echo("x".repeat(500))) >= 400);
    await steered.steering.setMode("chat", ALLOW);
    assert.ok((await echo("fast")) < 299);
    const closed = once(client, "close");
    await steered.steering.setMode("chat", timeout);
    await closed;
    server.close();
  });
});
