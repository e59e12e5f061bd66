import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import type { RawData, WebSocket } from "ws";
import type { PeerOptions } from "../../src/upstream/peer.ts";
import { patternBytes } from "../kit/pattern.ts";
import { createRandom } from "../kit/random.ts";
import { openSocket, type SocketServer, startSocketServer } from "../kit/websockets.ts";
import { type ProxyUnderTest, standstill, startProxy } from "./proxy.ts";

const KB = 1024;
const MB = 1024 * KB;
const PAIRS = 2;
/** Of 64 KiB: more than all buffers on the way hold. */
const MESSAGES = 500;

type Version = 1 | 2;

/** A WebSocket server behind a proxy. */
class Chat implements AsyncDisposable {
  readonly proxy: ProxyUnderTest;
  readonly server: SocketServer;
  readonly #near: Version;
  readonly #clients = new AsyncDisposableStack();
  #opened = 0;

  private constructor(proxy: ProxyUnderTest, server: SocketServer, near: Version) {
    this.proxy = proxy;
    this.server = server;
    this.#near = near;
  }

  /** @param near the version of HTTP that clients speak; @param far that of the server */
  static async start(near: Version, far: Version): Promise<Chat> {
    const server = await startSocketServer(far);
    const peer: PeerOptions = { protocol: far === 1 ? "http1" : "h2c" };
    return new Chat(await startProxy({ origin: server, peer }), server, near);
  }

  /** Both ends of a new WebSocket. */
  async connect(): Promise<{ near: WebSocket; far: WebSocket }> {
    const accepted = this.server.accept();
    this.#opened++;
    const near = await openSocket(this.#near, this.proxy.port, this.#clients);
    return { near, far: await accepted };
  }

  /** Waits until no WebSocket is left; connections in HTTP/2 stay. */
  async settled(): Promise<void> {
    await this.proxy.settled(this.#near === 1 ? 0 : this.#opened);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#clients.disposeAsync();
    await this.server[Symbol.asyncDispose]();
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

/** The versions of HTTP that clients and servers speak. */
const COMBINATIONS: readonly (readonly [near: Version, far: Version])[] = [
  [1, 1],
  [1, 2],
  [2, 1],
  [2, 2],
];

for (const [near, far] of COMBINATIONS) {
  describe(`WebSockets from HTTP/${near} to HTTP/${far}`, () => {
    test("carry messages of all sizes both ways at once", async () => {
      await using chat = await Chat.start(near, far);
      const random = createRandom(5);
      const pairs: { near: WebSocket; far: WebSocket }[] = [];
      for (let i = 0; i < PAIRS; i++) pairs.push(await chat.connect());
      await Promise.all(
        pairs.flatMap((pair, i) => {
          const some = Array.from({ length: 100 }, () => random.below(10) ** random.below(6));
          const sizes = random.shuffle([0, 1, 125, 126, 65_535, 65_536, 3 * MB, ...some]);
          return [
            receiveAll(pair.far, sizes, i),
            receiveAll(pair.near, sizes, i + 10),
            sendAll(pair.near, sizes, i),
            sendAll(pair.far, sizes, i + 10),
          ];
        }),
      );
      assert.equal(chat.proxy.count("tunnelsActive"), PAIRS);
    });

    test("carry pings, and texts as texts", async () => {
      await using chat = await Chat.start(near, far);
      const pair = await chat.connect();
      pair.near.ping("are you there?");
      const [pong] = (await once(pair.near, "pong")) as [Buffer];
      assert.equal(pong.toString(), "are you there?");
      pair.far.send("grüße");
      const [data, isBinary] = (await once(pair.near, "message")) as [Buffer, boolean];
      assert.deepEqual([data.toString(), isBinary], ["grüße", false]);
    });

    test("close with the code of who closed", async () => {
      await using chat = await Chat.start(near, far);
      for (const who of ["near", "far"] as const) {
        const pair = await chat.connect();
        const closed = [once(pair.near, "close"), once(pair.far, "close")];
        pair[who].close(4001, "had enough");
        for (const [code, reason] of (await Promise.all(closed)) as [number, Buffer][]) {
          assert.deepEqual([code, reason.toString()], [4001, "had enough"]);
        }
      }
      await chat.settled();
      assert.deepEqual(chat.proxy.reported, []);
    });

    test("end on both sides when one just goes", async () => {
      await using chat = await Chat.start(near, far);
      for (const who of ["near", "far"] as const) {
        const pair = await chat.connect();
        const other = who === "near" ? pair.far : pair.near;
        const closed = once(other, "close");
        pair[who].terminate();
        const [code] = (await closed) as [number];
        assert.equal(code, 1006);
      }
      await chat.settled();
    });

    test("stop a sender whose receiver is paused, and lose nothing", async () => {
      await using chat = await Chat.start(near, far);
      for (const [from, to] of [
        ["near", "far"],
        ["far", "near"],
      ] as const) {
        const pair = await chat.connect();
        const sizes = Array.from({ length: MESSAGES }, () => 64 * KB);
        const received = receiveAll(pair[to], sizes, 3);
        pair[to].pause();
        let sent = 0;
        const sending = sendAll(pair[from], sizes, 3, () => sent++);
        sending.catch(() => undefined);
        await standstill(() => sent);
        assert.ok(sent < MESSAGES * 0.95, `${sent} messages went`);
        pair[to].resume();
        await Promise.all([sending, received]);
        pair.near.terminate();
      }
    });
  });
}
