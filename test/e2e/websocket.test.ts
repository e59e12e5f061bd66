import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { describe, test } from "node:test";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { patternBytes } from "../kit/pattern.ts";
import { listen } from "../kit/ports.ts";
import { createRandom } from "../kit/random.ts";
import { type ProxyUnderTest, standstill, startProxy } from "./proxy.ts";

const MB = 1024 * 1024;

/** A WebSocket server behind a proxy. */
class Chat implements AsyncDisposable {
  readonly proxy: ProxyUnderTest;
  readonly server: WebSocketServer;
  readonly #clients: WebSocket[] = [];

  private constructor(proxy: ProxyUnderTest, server: WebSocketServer) {
    this.proxy = proxy;
    this.server = server;
  }

  static async start(): Promise<Chat> {
    const http = createServer();
    const server = new WebSocketServer({ server: http, maxPayload: 64 * MB });
    const port = await listen(http);
    server.on("close", () => http.close());
    return new Chat(await startProxy({ origin: { port } }), server);
  }

  /** Both ends of a new WebSocket. */
  async connect(): Promise<{ near: WebSocket; far: WebSocket }> {
    const accepted = once(this.server, "connection") as Promise<[WebSocket]>;
    const near = new WebSocket(`ws://127.0.0.1:${this.proxy.port}/chat`, { perMessageDeflate: false });
    this.#clients.push(near);
    const [[far]] = await Promise.all([accepted, once(near, "open")]);
    return { near, far };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of [...this.#clients, ...this.server.clients]) client.terminate();
    this.server.close();
    await this.proxy[Symbol.asyncDispose]();
  }
}

/** Sends messages whose bytes follow from a seed, each when the one before has gone. */
async function sendAll(
  socket: WebSocket,
  sizes: readonly number[],
  seed: number,
  onSent: () => void = () => undefined,
): Promise<void> {
  for (const [i, size] of sizes.entries()) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.send(patternBytes(size, i, seed), (error) => (error ? reject(error) : resolve()));
    await promise;
    onSent();
  }
}

/** Receives as many messages and compares every byte. */
function receiveAll(socket: WebSocket, sizes: readonly number[], seed: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let received = 0;
  socket.on("message", (data: RawData) => {
    const expected = patternBytes(sizes[received] ?? 0, received, seed);
    if (expected.compare(data as Buffer) !== 0) reject(new Error(`message ${received} differs`));
    if (++received === sizes.length) resolve();
  });
  return promise;
}

describe("WebSockets", () => {
  test("carry messages of all sizes both ways at once", async () => {
    await using chat = await Chat.start();
    const random = createRandom(5);
    const pairs: { near: WebSocket; far: WebSocket }[] = [];
    for (let i = 0; i < 4; i++) pairs.push(await chat.connect());
    await Promise.all(
      pairs.flatMap(({ near, far }, i) => {
        const some = Array.from({ length: 100 }, () => random.below(10) ** random.below(6));
        const sizes = random.shuffle([0, 1, 125, 126, 65_535, 65_536, 3 * MB, 8 * MB, ...some]);
        return [
          receiveAll(far, sizes, i),
          receiveAll(near, sizes, i + 10),
          sendAll(near, sizes, i),
          sendAll(far, sizes, i + 10),
        ];
      }),
    );
    assert.equal(chat.proxy.count("tunnelsActive"), 4);
  });

  test("carry pings, and texts as texts", async () => {
    await using chat = await Chat.start();
    const { near, far } = await chat.connect();
    near.ping("are you there?");
    const [pong] = (await once(near, "pong")) as [Buffer];
    assert.equal(pong.toString(), "are you there?");
    far.send("grüße");
    const [data, isBinary] = (await once(near, "message")) as [Buffer, boolean];
    assert.deepEqual([data.toString(), isBinary], ["grüße", false]);
  });

  test("close with the code of who closed", async () => {
    await using chat = await Chat.start();
    for (const who of ["near", "far"] as const) {
      const pair = await chat.connect();
      const closed = [once(pair.near, "close"), once(pair.far, "close")];
      pair[who].close(4001, "had enough");
      for (const [code, reason] of (await Promise.all(closed)) as [number, Buffer][]) {
        assert.deepEqual([code, reason.toString()], [4001, "had enough"]);
      }
    }
    await chat.proxy.settled();
    assert.deepEqual(chat.proxy.reported, []);
  });

  test("end on both sides when one just goes", async () => {
    await using chat = await Chat.start();
    for (const who of ["near", "far"] as const) {
      const pair = await chat.connect();
      const other = who === "near" ? pair.far : pair.near;
      const closed = once(other, "close");
      pair[who].terminate();
      const [code] = (await closed) as [number];
      assert.equal(code, 1006);
    }
    await chat.proxy.settled();
  });

  test("stop a sender whose receiver is paused, and lose nothing", async () => {
    await using chat = await Chat.start();
    for (const [from, to] of [
      ["near", "far"],
      ["far", "near"],
    ] as const) {
      const pair = await chat.connect();
      const sizes = Array.from({ length: 64 }, () => MB);
      const received = receiveAll(pair[to], sizes, 3);
      pair[to].pause();
      let sent = 0;
      const sending = sendAll(pair[from], sizes, 3, () => sent++);
      sending.catch(() => undefined);
      await standstill(() => sent);
      assert.ok(sent < 60, `${sent} MB went`);
      pair[to].resume();
      await Promise.all([sending, received]);
      pair.near.terminate();
    }
  });
});
