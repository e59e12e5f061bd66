import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAuthority } from "./certificates.ts";
import { createTemporaryDirectory } from "./files.ts";
import { PatternVerifier, patternBytes } from "./pattern.ts";
import { freePort } from "./ports.ts";
import { closureOf, connectRaw } from "./raw-client.ts";
import { startRawOrigin } from "./raw-origin.ts";

describe("a raw connection", () => {
  test("carries bytes both ways and ends", async () => {
    await using origin = await startRawOrigin([{ read: 3 }, { send: "\xff\x00ok" }, { close: "both" }]);
    await using client = await connectRaw(origin.port);
    await client.write(Uint8Array.of(1, 2, 3));
    assert.equal((await client.readToEnd()).toString("latin1"), "\xff\x00ok");
    assert.equal(await client.closed, "end");
  });

  test("reads through a delimiter, a number of bytes, or what a function asks for", async () => {
    await using origin = await startRawOrigin([{ send: "one\ntwo3456", splitAt: [2, 5, 9] }]);
    await using client = await connectRaw(origin.port);
    assert.equal((await client.readUntil("\n")).toString(), "one\n");
    assert.equal((await client.readExactly(4)).toString(), "two3");
    assert.equal((await client.readUntil((bytes) => bytes.includes("6"))).toString(), "456");
    assert.equal(client.unread.length, 0);
  });

  test("that says nothing is told by how it goes", async () => {
    await using ending = await startRawOrigin([{ close: "half" }]);
    await using resetting = await startRawOrigin([{ close: "reset" }]);
    assert.deepEqual([await closureOf(ending.port), await closureOf(resetting.port)], ["end", "reset"]);
    await assert.rejects(closureOf(await freePort()), { code: "ECONNREFUSED" });
  });

  test("half-closes and still reads", async () => {
    await using origin = await startRawOrigin([{ read: "end" }, { send: "seen" }, { close: "both" }]);
    await using client = await connectRaw(origin.port);
    client.end("last words");
    assert.equal((await client.readToEnd()).toString(), "seen");
  });

  test("sees a half-close and still writes", async () => {
    await using origin = await startRawOrigin([{ close: "half" }, { read: 4 }, { close: "both" }]);
    await using client = await connectRaw(origin.port);
    assert.equal((await client.readToEnd()).length, 0);
    await client.write("more");
    assert.equal(await origin.outcome(0), undefined);
  });

  test("tells a reset from an end, on both sides", async () => {
    await using origin = await startRawOrigin([{ send: "part" }, { read: 1 }, { close: "reset" }]);
    await using client = await connectRaw(origin.port);
    await client.readExactly(2);
    await client.write("x");
    await assert.rejects(client.readToEnd(), /was reset before the end; 2 bytes unread: "rt"/);
    assert.equal(await client.closed, "reset");

    await using other = await startRawOrigin([{ read: "head" }]);
    await using rude = await connectRaw(other.port);
    const connection = await other.connection(0);
    rude.reset();
    assert.equal(await connection.closed, "reset");
    assert.equal(await rude.closed, "here");
    assert.match(String(await other.outcome(0)), /was reset before/);
  });

  test("fails when the other side ends too early", async () => {
    await using origin = await startRawOrigin([{ send: "HTTP/1.1 200 OK\r\n" }, { close: "both" }]);
    await using client = await connectRaw(origin.port);
    await assert.rejects(client.readHead(), /the other side ended before .*200 OK/);
  });

  test("that pauses makes the other side wait, and loses nothing", async () => {
    const size = 64 << 20;
    await using origin = await startRawOrigin(async (connection) => {
      await connection.write(patternBytes(size));
      connection.end();
    });
    await using client = await connectRaw(origin.port);
    client.pause();
    const connection = await origin.connection(0);
    assert.ok(connection.socket.writableLength > 0, "all of it went into the kernel");
    client.resume();

    const verifier = new PatternVerifier();
    for (let chunk = await client.readSome(); chunk.length > 0; chunk = await client.readSome()) {
      verifier.write(chunk);
    }
    assert.equal(verifier.offset, size);
    assert.equal(await origin.outcome(0), undefined);
  });

  test("is refused where nobody listens", async () => {
    await assert.rejects(connectRaw(await freePort()), { code: "ECONNREFUSED" });
  });

  test("comes over a Unix socket", async () => {
    await using directory = await createTemporaryDirectory();
    const path = directory.join("origin.sock");
    await using _origin = await startRawOrigin([{ send: "hi" }], { path });
    await using client = await connectRaw({ path });
    assert.equal((await client.readExactly(2)).toString(), "hi");
  });

  test("comes over TLS, and can be reset there", async () => {
    const authority = await createAuthority();
    await using origin = await startRawOrigin([{ read: 4 }, { send: "pong" }, { close: "reset" }], {
      tls: await authority.issue(),
    });
    await using client = await connectRaw(origin.port, {
      tls: { ca: authority.cert, servername: "localhost" },
    });
    await client.write("ping");
    assert.equal((await client.readExactly(4)).toString(), "pong");
    assert.equal(await client.closed, "reset");
  });
});

describe("a raw origin", () => {
  test("runs a function over each connection", async () => {
    await using origin = await startRawOrigin(async (connection) => {
      const request = await connection.readRequest();
      connection.end(`HTTP/1.0 200 OK\r\n\r\n${request.method} ${request.target} ${request.body}`);
    });
    for (const word of ["one", "two"]) {
      await using client = await connectRaw(origin.port);
      const response = await client.exchange(`POST /x HTTP/1.1\r\ncontent-length: 3\r\n\r\n${word}`);
      assert.equal(response.body.toString(), `POST /x ${word}`);
    }
    assert.equal(origin.connections.length, 2);
  });

  test("sends every piece of a cut answer", async () => {
    const answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    const everywhere = Array.from(answer, (_, index) => index);
    await using origin = await startRawOrigin([{ read: "request" }, { send: answer, splitAt: everywhere }]);
    await using client = await connectRaw(origin.port);
    const response = await client.exchange("GET / HTTP/1.1\r\n\r\n");
    assert.equal(response.body.toString(), "ok");
  });

  test("waits between steps", async () => {
    await using origin = await startRawOrigin([{ send: "a" }, { delay: 30 }, { send: "b" }]);
    await using client = await connectRaw(origin.port);
    await client.readExactly(1);
    const start = performance.now();
    await client.readExactly(1);
    assert.ok(performance.now() - start > 15);
  });

  test("can be stopped before the end of its scope", async () => {
    await using origin = await startRawOrigin([{ read: "end" }]);
    await using client = await connectRaw(origin.port);
    await origin.connection(0);
    await origin[Symbol.asyncDispose]();
    await client.closed;
    await assert.rejects(connectRaw(origin.port), { code: "ECONNREFUSED" });
  });

  test("keeps the failure of its script and closes the connection", async () => {
    await using origin = await startRawOrigin(() => {
      throw new Error("the script is wrong");
    });
    await using client = await connectRaw(origin.port);
    await client.closed;
    assert.match(String(await origin.outcome(0)), /the script is wrong/);
  });
});
