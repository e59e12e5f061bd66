import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Adopt } from "../../test/kit/accepted-transport.ts";
import { until, withDeadline } from "../../test/kit/deadline.ts";
import { type FaultyPipe, startFaultyPipe } from "../../test/kit/faulty-pipe.ts";
import { PatternVerifier, patternBytes, patternStream } from "../../test/kit/pattern.ts";
import type { RawSocket } from "../../test/kit/raw-socket.ts";
import { adoptAccepted, overSocket } from "../net/onread-socket.ts";

const MB = 1024 * 1024;
const STREAMS = ["upstream", "downstream"] as const;

const ways: Readonly<Record<string, Adopt>> = {
  "an adopted socket": adoptAccepted,
  "a socket with events": overSocket,
};

/** Sends so many bytes of the pattern, and ends. */
async function sendPattern({ socket }: RawSocket, size: number, seed: number): Promise<void> {
  await pipeline(patternStream(size, seed), socket, { end: true });
}

/** Checks all that comes until the end; gives how much that was. */
function receivePattern({ socket }: RawSocket, seed: number): Promise<number> {
  const verifier = new PatternVerifier(seed);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  socket.removeAllListeners("data");
  socket.on("data", (chunk: Buffer) => {
    try {
      verifier.write(chunk);
    } catch (error) {
      reject(error);
    }
  });
  socket.on("end", () => resolve(verifier.offset));
  socket.on("error", reject);
  return withDeadline(promise, 50_000, () => `the end of ${seed} after ${verifier.offset} bytes`);
}

/** Changes the toxics again and again until `done`. */
async function keepChanging(
  { faults }: FaultyPipe,
  pipe: FaultyPipe,
  done: Promise<unknown>,
): Promise<number> {
  let isDone = false;
  void done.finally(() => {
    isDone = true;
  });
  let round = 0;
  for (; !isDone; round++) {
    await delay(7);
    if (round % 3 === 2) faults.clear();
    else if (round % 3 === 1) {
      for (const stream of STREAMS)
        faults.update(`latency ${stream}`, { attributes: { latency: round % 11, jitter: round % 5 } });
    } else {
      for (const stream of STREAMS) {
        pipe.add("latency", stream, { latency: 5, jitter: 4 });
        pipe.add("slicer", stream, { average_size: 20_000, size_variation: 9_000 });
        pipe.add("bandwidth", stream, { rate: 200_000 });
      }
    }
  }
  return round;
}

for (const [name, adopt] of Object.entries(ways)) {
  describe(`faults on ${name}`, () => {
    test("let 100 MB each way through, whole, while toxics come, change and go", async () => {
      await using pipe = await startFaultyPipe({ adopt });
      const { client, server } = await pipe.connect();
      const size = 100 * MB + 4321;
      const done = Promise.all([
        receivePattern(client, 1),
        receivePattern(server, 2),
        sendPattern(server, size, 1),
        sendPattern(client, size, 2),
      ]);
      const rounds = keepChanging(pipe, pipe, done);
      const [down, up] = await done;
      assert.deepEqual([down, up], [size, size]);
      assert.ok((await rounds) >= 3, "nothing was changed meanwhile");
      assert.deepEqual(pipe.failures, []);
    });

    test("delay both ways, and pass each end on by itself", async () => {
      await using pipe = await startFaultyPipe({ adopt });
      for (const stream of STREAMS) pipe.add("latency", stream, { latency: 60 });
      const { client, server } = await pipe.connect();
      const start = performance.now();
      client.end("question");
      assert.equal((await server.readToEnd()).toString(), "question");
      assert.ok(performance.now() - start >= 59);
      await server.write("answer");
      assert.equal((await client.readExactly(6)).toString(), "answer");
      assert.ok(performance.now() - start >= 118);
      server.end(", and more");
      assert.equal((await client.readToEnd()).toString(), ", and more");
      await until("both sides are gone", () =>
        pipe.pipe.near.every(({ closed, other }) => closed && other.closed),
      );
    });

    test("stop a sender whose receiver doesn't read, and let it go on", async () => {
      await using pipe = await startFaultyPipe({ adopt });
      for (const stream of STREAMS) pipe.add("latency", stream, { latency: 3 });
      const { client, server, near } = await pipe.connect();
      const size = 30 * MB;
      for (const [from, to, seed] of [
        [client, server, 3],
        [server, client, 4],
      ] as const) {
        to.pause();
        const sent = sendPattern(from, size, seed);
        const written = (socket: Socket): number => socket.bytesWritten - socket.writableLength;
        await until("the sender stands still", async () => {
          const before = written(from.socket);
          await delay(100);
          return written(from.socket) === before && before > 0;
        });
        assert.ok(written(from.socket) < size);
        const received = receivePattern(to, seed);
        to.resume();
        assert.equal(await received, size);
        await sent;
      }
      await until("all is over", () => near.closed && near.other.closed);
    });
  });
}

describe("faults on a client's connection", () => {
  test("reset it both ways", async () => {
    await using pipe = await startFaultyPipe();
    pipe.add("reset_peer", "downstream");
    const { client, server, near } = await pipe.connect();
    await client.write("hello");
    await server.readExactly(5);
    void server.write("no answer");
    assert.equal(await client.closed, "reset");
    assert.equal(await server.closed, "reset");
    assert.deepEqual(pipe.cuts, ["reset by reset_peer downstream"]);
    assert.equal((near.error as NodeJS.ErrnoException | null)?.code, "ECONNRESET");
    assert.equal(client.unread.length, 0);
  });

  test("reset connections that stand when everything is to be down", async () => {
    await using pipe = await startFaultyPipe();
    const { client, server } = await pipe.connect();
    await client.write("hello");
    await server.readExactly(5);
    pipe.add("down", "downstream");
    assert.equal(await client.closed, "reset");
    assert.equal(await server.closed, "reset");
  });

  test("close behind what passed, though the client goes on sending", async () => {
    await using pipe = await startFaultyPipe();
    pipe.add("limit_data", "downstream", { bytes: 100_000 });
    pipe.add("latency", "downstream", { latency: 50 });
    const { client, server } = await pipe.connect();
    const bytes = patternBytes(300_000, 0, 5);
    const flood = setInterval(() => void client.write("more"), 1);
    try {
      void server.write(bytes);
      const received = await client.readToEnd();
      assert.ok(received.equals(bytes.subarray(0, 100_000)), `${received.length} bytes`);
    } finally {
      clearInterval(flood);
    }
    await until("the server heard of it", () => server.socket.readableEnded || server.socket.destroyed);
    assert.deepEqual(pipe.cuts, ["closed by limit_data downstream"]);
  });

  test("don't let a client that reads nothing keep a connection", async () => {
    await using pipe = await startFaultyPipe();
    const { client, server, near } = await pipe.connect();
    client.pause();
    void server.write(Buffer.alloc(20 * MB));
    await until("something waits", () => near.transport.blocked);
    pipe.add("idle_timeout", "upstream", { timeout: 50 });
    await until("it is closed", () => near.closed);
    assert.equal(near.error, null);
  });

  test("deliver what a client had sent before it left", async () => {
    await using pipe = await startFaultyPipe();
    pipe.add("latency", "upstream", { latency: 150 });
    const { client, server, near } = await pipe.connect();
    server.end();
    await client.readToEnd();
    client.end(patternBytes(500_000, 0, 6));
    await until("the client's socket is gone", () => near.transport.socket.destroyed);
    const received = await server.readToEnd();
    assert.ok(received.equals(patternBytes(500_000, 0, 6)), `${received.length} bytes`);
    await until("all is over", () => near.closed && near.other.closed);
    assert.equal(near.error, null);
  });

  test("deliver it to a server that is slow to read", async () => {
    await using pipe = await startFaultyPipe();
    pipe.add("latency", "upstream", { latency: 100 });
    const { client, server, near } = await pipe.connect();
    server.pause();
    server.end();
    await client.readToEnd();
    const size = 20 * MB;
    const sent = sendPattern(client, size, 7);
    await until("the server's side is full", () => near.transport.paused);
    // Enough that all of it is on its way, whatever the kernel's buffers hold.
    pipe.faults.update("latency upstream", { attributes: { latency: 400 } });
    const received = receivePattern(server, 7);
    await delay(50);
    server.resume();
    await sent;
    assert.equal(await received, size);
    await until("all is over", () => near.closed && near.other.closed);
  });

  test("keep the end back when only that waits", async () => {
    await using pipe = await startFaultyPipe();
    pipe.add("slow_close", "upstream", { delay: 200 });
    const { client, server, near } = await pipe.connect();
    server.end("bye");
    await client.readToEnd();
    const start = performance.now();
    client.end("x");
    assert.equal((await server.readExactly(1)).toString(), "x");
    await server.readToEnd();
    assert.ok(performance.now() - start >= 199);
    await until("all is over", () => near.closed && near.other.closed);
  });

  test("give up what waits when the proxy gives up the connection", async () => {
    await using pipe = await startFaultyPipe();
    pipe.add("latency", "upstream", { latency: 600_000 });
    const { client, server, near } = await pipe.connect();
    server.end();
    await client.readToEnd();
    client.end("never heard");
    await until("the client's socket is gone", () => near.transport.socket.destroyed);
    assert.equal(near.closed, false);
    near.transport.destroy();
    await until("it is over", () => near.closed);
  });

  test("swallow everything, and let go of clients that give up", async () => {
    await using pipe = await startFaultyPipe();
    pipe.add("blackhole", "downstream");
    const { client, server, near } = await pipe.connect();
    await client.write("question");
    await server.readExactly(8);
    server.end("answer");
    await delay(50);
    assert.equal(client.unread.length, 0);
    assert.equal(client.socket.readableEnded, false);
    client.end();
    assert.equal((await client.readToEnd()).length, 0);
    await until("all is over", () => near.closed && near.other.closed);
  });

  test("act on a connection that was idle, in both directions", async () => {
    await using pipe = await startFaultyPipe();
    const { client, server } = await pipe.connect();
    await client.write("a");
    await server.readExactly(1);
    for (const stream of STREAMS) pipe.add("latency", stream, { latency: 80 });
    const start = performance.now();
    await client.write("b");
    await server.readExactly(1);
    await server.write("c");
    await client.readExactly(1);
    assert.ok(performance.now() - start >= 158);
    pipe.faults.clear();
    await client.write("d");
    assert.equal((await server.readExactly(1)).toString(), "d");
  });

  test("let a half-closed connection be when they come late", async () => {
    await using pipe = await startFaultyPipe();
    const { client, server, near } = await pipe.connect();
    client.end("x");
    await server.readToEnd();
    pipe.add("latency", "downstream", { latency: 50 });
    pipe.add("idle_timeout", "upstream", { timeout: 30 });
    server.end("the answer");
    assert.equal((await client.readToEnd()).toString(), "the answer");
    await until("all is over", () => near.closed && near.other.closed);
    assert.equal(near.error, null);
  });
});
