import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { startOrigin } from "../kit/origins.ts";
import { PatternVerifier, patternBytes, patternView } from "../kit/pattern.ts";
import { ok, readPattern, request, standstill, startProxy, writePattern } from "./proxy.ts";

const MB = 1024 * 1024;

describe("large bodies", () => {
  test("go both ways at once, every byte in its place", async () => {
    const size = 48 * MB;
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readHead();
        void connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        await Promise.all([readPattern(connection, size, 1), writePattern(connection, size - 1, 2)]);
        // The last byte: a server that is done is sent no more.
        void connection.write(patternView(1, size - 1, 2));
      },
    });
    const client = await proxy.connect();
    void client.write(request("POST /", `Content-Length: ${size}`));
    await client.readHead();
    await Promise.all([writePattern(client, size, 1), readPattern(client, size, 2)]);
    assert.equal(await proxy.origin.outcome(0), undefined);
  });

  test("in chunks too, on several connections", async () => {
    await using origin = await startOrigin();
    await using proxy = await startProxy({ origin });
    const one = async (seed: number): Promise<void> => {
      const client = await proxy.connect();
      for (let i = 0; i < 2; i++) {
        const verifier = new PatternVerifier(seed);
        const onData = (chunk: Buffer): void => verifier.write(chunk);
        await client.exchange(request(`GET /chunked?chunks=40&size=100000&seed=${seed}`), { onData });
        assert.equal(verifier.offset, 4_000_000);
        void client.write(request(`POST /upload?seed=${seed}`, "Transfer-Encoding: chunked"));
        for (let sent = 0; sent < 40; sent++) {
          const chunk = patternBytes(100_000, sent * 100_000, seed);
          void client.write("186a0\r\n");
          void client.write(chunk);
          await client.write("\r\n");
        }
        const { body } = await client.exchange("0\r\n\r\n");
        const { bytes, pattern } = JSON.parse(body.toString()) as { bytes: number; pattern: boolean };
        assert.deepEqual([bytes, pattern], [4_000_000, true]);
      }
    };
    await Promise.all([1, 2, 3, 4].map(one));
  });
});

describe("a slow reader", () => {
  const size = 24 * MB;
  const count = 6;

  /** Bytes outside of the heap, where buffers are. */
  function bufferBytes(): number {
    const { arrayBuffers, external } = process.memoryUsage();
    return arrayBuffers + external;
  }

  test("of responses stops the servers, not the others, and gets every byte", async () => {
    let written = 0;
    await using proxy = await startProxy({
      origin: async (connection) => {
        for (;;) {
          const { target } = await connection.readRequest();
          const seed = Number(target.slice(1));
          void connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
          for (let sent = 0; sent < size; ) {
            const view = patternView(size - sent, sent, seed);
            await connection.write(view);
            sent += view.length;
            written += view.length;
          }
        }
      },
    });
    const before = bufferBytes();
    const clients = await Promise.all(Array.from({ length: count }, () => proxy.connect()));
    for (const [seed, client] of clients.entries()) {
      void client.write(request(`GET /${seed}`));
      client.pause();
    }
    await standstill(() => written);
    assert.ok(written < count * size * 0.75, `the servers wrote ${written} bytes`);
    const grown = bufferBytes() - before;
    assert.ok(grown < count * MB, `${grown} bytes more for ${count} slow readers`);
    await Promise.all(
      clients.map(async (client, seed) => {
        client.resume();
        await client.readHead();
        await readPattern(client, size, seed);
      }),
    );
    await until("all is written", () => written === count * size);
  });

  test("of uploads stops the clients, and gets every byte", async () => {
    const { promise: go, resolve: letGo } = Promise.withResolvers<void>();
    await using proxy = await startProxy({
      origin: async (connection) => {
        const { target } = /^POST (?<target>\S+)/.exec(await connection.readHead())?.groups ?? {};
        connection.pause();
        await go;
        connection.resume();
        await readPattern(connection, size, Number(target?.slice(1)));
        void connection.write(ok());
      },
    });
    let written = 0;
    const before = bufferBytes();
    const clients = await Promise.all(Array.from({ length: count }, () => proxy.connect()));
    const uploads = clients.map(async (client, seed) => {
      void client.write(request(`POST /${seed}`, `Content-Length: ${size}`));
      for (let sent = 0; sent < size; ) {
        const view = patternView(size - sent, sent, seed);
        await client.write(view);
        sent += view.length;
        written += view.length;
      }
      assert.equal((await client.readResponse()).status, 200);
    });
    await standstill(() => written);
    assert.ok(written < count * size * 0.75, `the clients wrote ${written} bytes`);
    const grown = bufferBytes() - before;
    assert.ok(grown < count * MB, `${grown} bytes more for ${count} slow servers`);
    letGo();
    await Promise.all(uploads);
  });
});
