import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { connect as connectTls, TLSSocket } from "node:tls";
import { Random } from "../../test/fuzz/random.ts";
import { createAuthority } from "../../test/kit/certificates.ts";
import { patience, until, withDeadline } from "../../test/kit/deadline.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { PatternVerifier, patternStream } from "../../test/kit/pattern.ts";
import { listen } from "../../test/kit/ports.ts";
import { createFaults, startTcpProxy, toxic } from "../../test/kit/stream-proxy.ts";
import { tlsWith, writeIdentity } from "../../test/kit/tls-proxy.ts";
import { Counter } from "../base/counters.ts";
import { builtinToxics } from "../chaos/toxics/index.ts";

const MEGABYTE = 1024 * 1024;

/** A server that hands over its connections one by one. */
async function startServer(
  onSocket: (socket: Socket) => void,
  path?: string,
): Promise<{ port: number } & Disposable> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    onSocket(socket.on("error", () => {}));
  });
  const port = await listen(server, path === undefined ? {} : { path });
  return {
    port,
    [Symbol.dispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Reads to the end, and says how much it was; every byte must be right. */
async function verify(socket: Socket, seed: number): Promise<number> {
  const verifier = new PatternVerifier(seed);
  socket.on("data", (chunk: Buffer) => verifier.write(chunk));
  socket.resume();
  await withDeadline(once(socket, "end"), 6 * patience, () => `the end after ${verifier.offset} bytes`);
  return verifier.offset;
}

const UP = 1;
const DOWN = 2;

/** Sends `size` bytes each way at once, over a connection that stands, and compares every one of them. */
async function exchange(client: Socket, server: Promise<Socket>, size: number): Promise<void> {
  const far = await server;
  const [up, down] = await Promise.all([
    verify(far, UP),
    verify(client, DOWN),
    pipeline(patternStream(size, UP), client),
    pipeline(patternStream(size, DOWN), far),
  ]);
  assert.deepEqual([up, down], [size, size]);
}

describe("every byte arrives through a TCP proxy", () => {
  test("200 MB each way at once", async () => {
    const { promise, resolve } = Promise.withResolvers<Socket>();
    using server = await startServer(resolve);
    await using proxy = await startTcpProxy([server.port]);
    await using client = connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true });
    const size = 200 * MEGABYTE;
    await exchange(client, promise, size);
    assert.match(await proxy.log.next("closed"), new RegExp(`^${size} B up, ${size} B down`));
  });

  test("while toxics come, change and go", async () => {
    const { promise, resolve } = Promise.withResolvers<Socket>();
    using server = await startServer(resolve);
    const faults = createFaults(builtinToxics);
    await using proxy = await startTcpProxy([server.port], {}, faults);
    await using client = connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true });
    const done = exchange(client, promise, 60 * MEGABYTE);
    const passed = (): number => proxy.service.connections()[0]?.bytesDown ?? 0;
    await until("it is under way", () => passed() > 2 * MEGABYTE);
    faults.add(toxic("latency", { attributes: { latency: 50, jitter: 20 } }));
    await delay(100);
    faults.add(toxic("slow", { type: "bandwidth", stream: "upstream", attributes: { rate: 20_000 } }));
    faults.add(toxic("slicer", { attributes: { average_size: 10_000, size_variation: 5_000 } }));
    await delay(200);
    faults.update("latency", { attributes: { latency: 5, jitter: 0 } });
    faults.remove("slicer");
    await delay(200);
    faults.remove("slow");
    faults.remove("latency");
    await done;
  });

  test("for many readers that pause", async () => {
    const connections = 48;
    const size = 3 * MEGABYTE + 4321;
    await using directory = await createTemporaryDirectory();
    // Buffers of Unix sockets are small: nearly every write has to wait.
    const path = { proxy: directory.join("proxy"), server: directory.join("server") };
    const uploads: Promise<number>[] = [];
    using _server = await startServer((socket) => {
      socket.once("data", (first: Buffer) => {
        const seed = first[0]!;
        socket.pause();
        if (first.length > 1) socket.unshift(first.subarray(1));
        uploads.push(readSlowly(socket, seed));
        void pipeline(patternStream(size, seed + 100), socket);
      });
    }, path.server);
    await using _proxy = await startTcpProxy([`unix:${path.server}`], { listen: `unix:${path.proxy}` });
    await Promise.all(
      Array.from({ length: connections }, async (_, seed) => {
        await using socket = connect({ path: path.proxy, allowHalfOpen: true });
        socket.write(Buffer.of(seed));
        const sent = pipeline(patternStream(size, seed), socket);
        assert.equal(await readSlowly(socket, seed + 100), size);
        await sent;
      }),
    );
    assert.deepEqual(new Set(await Promise.all(uploads)), new Set([size]));
    assert.equal(uploads.length, connections);
  });
});

describe("every byte arrives through TLS", () => {
  const size = 30 * MEGABYTE;

  for (const kind of ["opened here", "opened here and closed again", "passed on unopened"] as const) {
    test(`${kind}: 30 MB each way at once, each side slow in turn`, async () => {
      await using directory = await createTemporaryDirectory();
      const authority = await createAuthority();
      const identity = await authority.issue();
      const certificate = await writeIdentity(directory, "own", identity);
      const { promise, resolve } = Promise.withResolvers<Socket>();
      using server = await startServer((raw) => {
        if (kind === "opened here") resolve(raw);
        else resolve(new TLSSocket(raw, { ...identity, isServer: true }));
      });
      const address = `127.0.0.1:${server.port}`;
      const isPassed = kind === "passed on unopened";
      const tls = isPassed ? tlsWith([], { localhost: address }) : tlsWith([certificate]);
      const upstreamTls = kind === "opened here and closed again" ? { ca: authority.cert } : null;
      await using proxy = await startTcpProxy(isPassed ? [] : [address], { tls, upstreamTls });
      const trusting = { servername: "localhost", ca: authority.cert, allowHalfOpen: true };
      await using client = connectTls({ port: proxy.port, host: "127.0.0.1", ...trusting });
      await once(client, "secureConnect");
      const slowed = slowInTurn([client, await promise]);
      await exchange(client, promise, size);
      clearInterval(slowed);
      const count = isPassed ? "\\d+" : String(size);
      assert.match(
        await proxy.log.next("closed"),
        new RegExp(`^${count} B up, ${count} B down in [\\d.]+ s$`),
      );
      await until("no connection is left", () => proxy.service.connections().length === 0);
      assert.equal(proxy.counters.get(Counter.connectionsOpen), 0);
    });
  }
});

/** Lets one of the sides read nothing for a while, and then the next. */
function slowInTurn(sides: readonly Socket[]): NodeJS.Timeout {
  let turn = 0;
  return setInterval(() => {
    sides[turn++ % sides.length]!.resume();
    sides[turn % sides.length]!.pause();
  }, 40);
}

/** With pauses of any length at any place. */
async function readSlowly(socket: Socket, seed: number): Promise<number> {
  const random = new Random(seed);
  socket.on("data", () => {
    if (random.below(6) > 0) return;
    socket.pause();
    setTimeout(() => socket.resume(), random.below(10));
  });
  return await verify(socket, seed);
}
