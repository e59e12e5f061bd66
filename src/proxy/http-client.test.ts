import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../../test/kit/deadline.ts";
import { startDeafServer } from "../../test/kit/deaf-server.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import type { EchoAnswer, UploadAnswer } from "../../test/kit/origin-routes.ts";
import { startOrigin } from "../../test/kit/origins.ts";
import { PatternVerifier, patternBytes, patternStream } from "../../test/kit/pattern.ts";
import { freePort } from "../../test/kit/ports.ts";
import { startRawOrigin } from "../../test/kit/raw-origin.ts";
import { HttpPeer } from "../upstream/peer.ts";
import { type ClientRequest, type ClientResponse, HttpClient } from "./http-client.ts";

async function echo(client: HttpClient, address: string, request: ClientRequest): Promise<EchoAnswer> {
  const response = await client.request(address, { target: "/echo", ...request });
  assert.equal(response.status, 200);
  return JSON.parse(await response.text()) as EchoAnswer;
}

function field({ rawHeaders }: EchoAnswer, name: string): string | undefined {
  const index = rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name);
  return index === -1 ? undefined : rawHeaders[index + 1];
}

async function* pieces(...parts: (string | Uint8Array)[]): AsyncGenerator<string | Uint8Array> {
  for (const part of parts) {
    await delay(1);
    yield part;
  }
}

describe("an HTTP client's request", () => {
  test("names its peer, goes out as it was made, and comes back with all there is", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient();
    const answer = await echo(client, origin.address, {
      headers: { "X-One": "1", Connection: "close", "Transfer-Encoding": "chunked", "Content-Length": "9" },
    });
    assert.deepEqual(answer.rawHeaders, ["X-One", "1", "Host", origin.address]);
    assert.equal(answer.method, "GET");
    assert.equal(answer.body, "");
    assert.equal(
      field(await echo(client, origin.address, { headers: { host: "b.example" } }), "host"),
      "b.example",
    );
  });

  test("frames text, bytes and empty bodies by their length", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient();
    for (const [body, length] of [
      ["grüße", "7"],
      [Buffer.from("bytes"), "5"],
      ["", "0"],
      [null, "0"],
    ] as const) {
      const answer = await echo(client, origin.address, { method: "POST", body });
      assert.equal(field(answer, "content-length"), length);
      assert.equal(answer.body, Buffer.from(body ?? "").toString("latin1"));
    }
    assert.equal(origin.connectionCount, 1);
  });

  test("streams an iterable, in chunks or within a declared length", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient();
    const chunked = await echo(client, origin.address, {
      method: "PUT",
      body: pieces("one ", Buffer.from("two")),
    });
    assert.equal(chunked.body, "one two");
    assert.equal(field(chunked, "transfer-encoding"), "chunked");
    const headers = { "Content-Length": "7" };
    const counted = await echo(client, origin.address, {
      method: "PUT",
      headers,
      body: pieces("one ", "two"),
    });
    assert.equal(counted.body, "one two");
    assert.equal(field(counted, "content-length"), "7");
    for (const wrong of [pieces("one"), pieces("one", "two", "three")]) {
      const mismatch = client.request(origin.address, {
        method: "PUT",
        target: "/echo",
        headers,
        body: wrong,
      });
      await assert.rejects(mismatch, { code: "BODY_LENGTH_MISMATCH" });
    }
  });

  test("is sent no faster than the server takes it", async () => {
    let produced = 0;
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) {
        produced++;
        yield Buffer.alloc(100_000);
      }
    }
    await using origin = await startRawOrigin(async (connection) => connection.pause());
    using client = new HttpClient();
    const abort = new AbortController();
    const request = client.request(origin.address, { method: "POST", body: endless(), signal: abort.signal });
    await until("it stands still", async () => {
      const before = produced;
      await delay(100);
      return produced === before && produced > 0;
    });
    assert.ok(produced < 200, `${produced} pieces`);
    abort.abort();
    await assert.rejects(request, { name: "AbortError" });
  });

  test("of any size arrives whole", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient();
    const body = patternStream(5_000_000, 3) as AsyncIterable<Buffer>;
    const response = await client.request(origin.address, { method: "POST", target: "/upload?seed=3", body });
    const answer = JSON.parse(await response.text()) as UploadAnswer;
    assert.deepEqual([answer.bytes, answer.pattern], [5_000_000, true]);
  });

  test("fails with what its body throws, and lets go of the connection", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient();
    async function* failing(): AsyncGenerator<string> {
      yield "one";
      throw new RangeError("no more");
    }
    const request = client.request(origin.address, { method: "POST", target: "/echo", body: failing() });
    await assert.rejects(request, { name: "RangeError", message: "no more" });
    await until("the connection is closed", () => origin.openConnections === 0);
  });

  test("that was answered early is not sent on", async () => {
    await using origin = await startRawOrigin([
      { read: "head" },
      { send: "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n" },
    ]);
    using client = new HttpClient();
    let ended = false;
    async function* endless(): AsyncGenerator<Buffer> {
      try {
        for (;;) {
          await delay(1);
          yield Buffer.alloc(1000);
        }
      } finally {
        ended = true;
      }
    }
    const response = await client.request(origin.address, { method: "POST", body: endless() });
    assert.equal(response.status, 413);
    assert.equal(await response.text(), "");
    await until("its source is let go", () => ended);
  });

  test("that breaks the rules is refused before anything is sent", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient();
    const { address } = origin;
    await assert.rejects(client.request(address, { method: "GE T" }), TypeError);
    await assert.rejects(client.request(address, { target: "/a b" }), TypeError);
    await assert.rejects(client.request(address, { headers: { a: "b\r\nc: d" } }), TypeError);
    await assert.rejects(client.request(address, { method: "CONNECT", target: "a:1" }), /TcpConnector/);
    await assert.rejects(client.request("nowhere"), RangeError);
    const body = pieces("x");
    await assert.rejects(client.request(address, { body, headers: { "content-length": "-1" } }), RangeError);
    assert.equal(origin.connectionCount, 0);
  });
});

describe("an HTTP client's response", () => {
  test("has a status, headers, a body and trailers", async () => {
    await using origin = await startOrigin({ name: "one" });
    using client = new HttpClient();
    const response = await client.request(origin.address, { target: "/trailers" });
    assert.equal(response.status, 200);
    assert.equal(response.reason, "OK");
    assert.equal(response.headers.get("x-origin"), "one");
    assert.equal(await response.text(), "body\n");
    assert.deepEqual(response.trailers?.toJSON(), { "x-first": "1", "x-second": "2" });
    await assert.rejects(response.bytes(), /was read already/);
  });

  test("keeps its headers when its connection serves others", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient();
    const responses: ClientResponse[] = [];
    for (let i = 0; i < 3; i++) {
      const response = await client.request(origin.address, { target: `/bytes/${i}` });
      await response.bytes();
      responses.push(response);
    }
    assert.deepEqual(
      responses.map(({ headers, reused }) => [headers.get("content-length"), reused]),
      [
        ["0", false],
        ["1", true],
        ["2", true],
      ],
    );
  });

  test("comes whole, piece by piece, however large", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient();
    const response = await client.request(origin.address, { target: "/bytes/5000000?seed=7" });
    const verifier = new PatternVerifier(7);
    for await (const piece of response.body) verifier.write(piece);
    assert.equal(verifier.offset, 5_000_000);
  });

  test("to HEAD, 204 and 304 has no body", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient();
    for (const [method, target] of [
      ["HEAD", "/bytes/10"],
      ["GET", "/status/204"],
      ["GET", "/status/304"],
    ] as const) {
      const response = await client.request(origin.address, { method, target });
      assert.equal(await response.text(), "");
    }
    assert.equal(origin.connectionCount, 1);
  });

  test("that is read slowly slows the server down", async () => {
    const sent = { bytes: 0 };
    await using origin = await startRawOrigin(async (connection) => {
      await connection.readHead();
      await connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
      for (; sent.bytes < 100_000_000; sent.bytes += 100_000) await connection.write(Buffer.alloc(100_000));
    });
    using client = new HttpClient();
    const response = await client.request(origin.address);
    await until("it stands still", async () => {
      const before = sent.bytes;
      await delay(100);
      return sent.bytes === before;
    });
    assert.ok(sent.bytes < 30_000_000, `${sent.bytes} bytes`);
    let received = 0;
    for await (const piece of response.body) received += piece.length;
    assert.equal(received, 100_000_000);
  });

  test("that breaks off fails its reader", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient();
    const response = await client.request(origin.address, { target: "/cut/1000" });
    await assert.rejects(response.text(), { name: "ProxyError", source: "upstream" });
  });

  test("may be cancelled, or left in the middle", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient();
    const cancelled = await client.request(origin.address, { target: "/bytes/50000000" });
    cancelled.cancel();
    const left = await client.request(origin.address, { target: "/bytes/50000000" });
    for await (const _piece of left.body) break;
    await until("both connections are closed", () => origin.openConnections === 0);
    assert.equal(client.idleCount, 0);
  });

  test("that is small needs no reading to give its connection back", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient();
    const response = await client.request(origin.address, { target: "/bytes/1000" });
    await until("it is back", () => client.idleCount === 1);
    response.cancel();
    assert.equal(client.idleCount, 1);
    await (await client.request(origin.address)).text();
    assert.equal(origin.connectionCount, 1);
  });

  test("that is large and that nobody reads is given up in the end", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient({ unreadTimeout: 200 });
    const response = await client.request(origin.address, { target: "/bytes/50000000" });
    await until("its connection is closed", () => origin.openConnections === 0);
    await assert.rejects(response.bytes(), { code: "DOWNSTREAM_WRITE_TIMEOUT" });
  });

  test("that is read, however slowly, is not", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient({ unreadTimeout: 300 });
    const response = await client.request(origin.address, { target: "/bytes/400000" });
    let received = 0;
    for await (const piece of response.body) {
      received += piece.length;
      await delay(100);
    }
    assert.equal(received, 400_000);
  });
});

describe("an HTTP client's connections", () => {
  test("are kept for the next request, each for one at a time", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient();
    const peer = new HttpPeer(origin.address);
    await Promise.all([1, 2, 3].map(async () => (await client.request(peer)).text()));
    assert.equal(origin.connectionCount, 3);
    assert.equal(client.idleCount, 3);
    await Promise.all([1, 2, 3].map(async () => (await client.request(peer)).text()));
    assert.equal(origin.connectionCount, 3);
  });

  test("are closed with the client, those in use after their request", async () => {
    await using origin = await startOrigin();
    const client = new HttpClient();
    await (await client.request(origin.address)).text();
    const held = client.request(origin.address, { target: "/held" });
    await origin.request(1);
    await (await client.request(origin.address)).text();
    client.close();
    await until("the idle one is closed", () => origin.openConnections === 1);
    origin.release();
    assert.equal(await (await held).text(), "released\n");
    await until("the other is too", () => origin.openConnections === 0);
  });

  test("that the server closed while they were idle cost nothing", async () => {
    await using origin = await startRawOrigin(async (connection) => {
      await connection.readRequest();
      await connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
      await connection.readRequest();
      // The next request met it in the moment it was closed.
      connection.destroy();
    });
    using client = new HttpClient();
    assert.equal(await (await client.request(origin.address)).text(), "hi");
    const again = await client.request(origin.address);
    assert.equal(await again.text(), "hi");
    assert.equal(again.reused, false);
    assert.equal(origin.connections.length, 2);
    // A POST may have been acted on, and a body that was streamed is gone.
    const post = client.request(origin.address, { method: "POST", body: "x" });
    await assert.rejects(post, { code: "UPSTREAM_CLOSED" });
    assert.equal(await (await client.request(origin.address)).text(), "hi");
    const put = client.request(origin.address, { method: "PUT", body: pieces("x") });
    await assert.rejects(put, { code: "UPSTREAM_CLOSED" });
  });

  test("fail as the proxy's do", async () => {
    using client = new HttpClient();
    await assert.rejects(client.request(`127.0.0.1:${await freePort()}`), {
      code: "UPSTREAM_CONNECT_REFUSED",
    });
    await using garbage = await startRawOrigin([{ read: "head" }, { send: "SSH-2.0-OpenSSH\r\n\r\n" }]);
    await assert.rejects(client.request(garbage.address), { code: "UPSTREAM_BAD_RESPONSE" });
    await using closing = await startRawOrigin([{ read: "head" }, { close: "both" }]);
    await assert.rejects(client.request(closing.address), { code: "UPSTREAM_CLOSED" });
    await using silent = await startRawOrigin([{ read: "head" }]);
    const impatient = new HttpPeer(silent.address, { firstByteTimeout: 50 });
    await assert.rejects(client.request(impatient), { code: "UPSTREAM_FIRST_BYTE_TIMEOUT" });
    await using deaf = await startDeafServer();
    const peer = new HttpPeer(`127.0.0.1:${deaf.port}`, { connectTimeout: 50 });
    await assert.rejects(client.request(peer), { code: "UPSTREAM_CONNECT_TIMEOUT" });
  });

  test("reach Unix sockets", async () => {
    await using directory = await createTemporaryDirectory();
    const path = directory.join("origin.sock");
    await using _origin = await startOrigin({ path });
    using client = new HttpClient();
    assert.equal(field(await echo(client, `unix:${path}`, {}), "host"), "localhost");
  });
});

describe("an HTTP client's signal", () => {
  const reason = new Error("never mind");

  test("ends a request before it begins, while it connects, and while it waits", async () => {
    using client = new HttpClient();
    await using origin = await startOrigin();
    await assert.rejects(client.request(origin.address, { signal: AbortSignal.abort(reason) }), reason);
    assert.equal(origin.connectionCount, 0);

    await using deaf = await startDeafServer();
    const connecting = new AbortController();
    const attempt = client.request(`127.0.0.1:${deaf.port}`, { signal: connecting.signal });
    connecting.abort(reason);
    await assert.rejects(attempt, reason);

    const waiting = new AbortController();
    const held = client.request(origin.address, { target: "/held", signal: waiting.signal });
    await origin.request(0);
    waiting.abort(reason);
    await assert.rejects(held, reason);
    await until("its connection is closed", () => origin.openConnections === 0);
  });

  test("ends a body in the middle", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient();
    const abort = new AbortController();
    const { signal } = abort;
    const response = await client.request(origin.address, { target: "/bytes/50000000", signal });
    const body = response.bytes();
    abort.abort(reason);
    await assert.rejects(body, reason);
    await until("its connection is closed", () => origin.openConnections === 0);
  });

  test("is left alone once all is there", async () => {
    await using origin = await startOrigin();
    using client = new HttpClient();
    const abort = new AbortController();
    const response = await client.request(origin.address, { target: "/bytes/10", signal: abort.signal });
    await until("all is there", () => client.idleCount === 1);
    abort.abort(reason);
    assert.deepEqual(await response.bytes(), patternBytes(10));
    assert.equal(client.idleCount, 1);
  });
});
