import assert from "node:assert/strict";
import { once } from "node:events";
import { constants } from "node:http2";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Counter } from "../../src/base/counters.ts";
import { FrameFlag, FrameType } from "../../src/http2/frames.ts";
import type { Session } from "../../src/proxy/session.ts";
import { until } from "../kit/deadline.ts";
import type { Pair } from "../kit/hpack.ts";
import { Http2Client, readAnswer } from "../kit/http2-client.ts";
import { connectFrames, FrameClient } from "../kit/http2-frame-client.ts";
import { frame } from "../kit/http2-frames.ts";
import type { EchoAnswer, UploadAnswer } from "../kit/origin-routes.ts";
import { startOrigin } from "../kit/origins.ts";
import { patternBytes } from "../kit/pattern.ts";
import { type ProxyOptions, type ProxyUnderTest, startProxy } from "./proxy.ts";

const answering = { requestFilter: (session: Session) => session.respond({ status: 200, body: "ok" }) };

const GET: readonly Pair[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "a"],
];

/** A proxy before an HTTP/1 server, and a client that speaks HTTP/2 with it. */
async function startAll(options: ProxyOptions<undefined> = {}): Promise<{
  readonly client: Http2Client;
  readonly proxy: ProxyUnderTest;
  readonly origin: Awaited<ReturnType<typeof startOrigin>>;
  [Symbol.asyncDispose](): Promise<void>;
}> {
  const origin = await startOrigin();
  const proxy = await startProxy({ origin, ...options });
  const client = new Http2Client(proxy.port);
  return {
    client,
    proxy,
    origin,
    async [Symbol.asyncDispose](): Promise<void> {
      await client[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
    },
  };
}

describe("requests of HTTP/2 clients to an HTTP/1 server", () => {
  test("GET", async () => {
    await using all = await startAll();
    const { status, headers, body, code } = await all.client.get("/");
    assert.deepEqual([status, body.toString(), code], [200, "origin\n", 0]);
    assert.equal(headers["x-origin"], "origin");
    assert.equal(headers.connection, undefined);
  });

  test("their fields, body and trailers are passed on", async () => {
    await using all = await startAll({ forwarding: { mode: "append", xForwarded: true, via: "sluice" } });
    const stream = all.client.session.request(
      { ":method": "POST", ":path": "/echo?a=1", "x-own": "yes", cookie: ["a=1", "b=2"] },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-trailer": "end" }));
    stream.write("some ");
    stream.end("body");
    const answer = await readAnswer(stream);
    const echo = JSON.parse(answer.body.toString()) as EchoAnswer;
    const fields = fieldsOf(echo.rawHeaders);
    assert.equal(answer.status, 200);
    assert.deepEqual(
      [echo.method, echo.url, echo.httpVersion, echo.body],
      ["POST", "/echo?a=1", "1.1", "some body"],
    );
    assert.equal(fields.get("host"), `127.0.0.1:${all.proxy.port}`);
    assert.equal(fields.get("x-own"), "yes");
    assert.equal(fields.get("cookie"), "a=1; b=2");
    assert.equal(fields.get("via"), "2 sluice");
    assert.equal(fields.get("x-forwarded-proto"), "http");
    assert.deepEqual(echo.rawTrailers, ["x-trailer", "end"]);
  });

  test("HEAD, 204, 304 and trailers of the server", async () => {
    await using all = await startAll();
    const head = await all.client.send({ ":method": "HEAD", ":path": "/bytes/1000" }, null);
    assert.deepEqual([head.status, head.headers["content-length"], head.body.length], [200, "1000", 0]);
    for (const status of [204, 304, 404]) {
      const answer = await all.client.get(`/status/${status}`);
      assert.deepEqual([answer.status, answer.code], [status, 0]);
    }
    const { trailers, code } = await all.client.get("/trailers");
    assert.notEqual(trailers, null);
    assert.equal(code, 0);
  });

  test("bodies of any size both ways, a hundred at once", async () => {
    await using all = await startAll();
    const sizes = Array.from(
      { length: 100 },
      (_, i) => [0, 1, 9, 1000, 16_384, 16_385, 70_000, 300_000][i % 8]!,
    );
    const downloads = sizes.map(async (size, seed) => {
      const { status, body, code } = await all.client.get(`/bytes/${size}?seed=${seed}`);
      assert.deepEqual([status, code, body.length], [200, 0, size]);
      assert.ok(body.equals(patternBytes(size, 0, seed)));
    });
    await Promise.all(downloads);
    const uploads = sizes.map(async (size, seed) => {
      const headers = { ":method": "POST", ":path": `/upload?seed=${seed}` };
      const { status, body, code } = await all.client.send(headers, patternBytes(size, 0, seed));
      const upload = JSON.parse(body.toString()) as UploadAnswer;
      assert.deepEqual([status, code, upload.bytes, upload.pattern], [200, 0, size, true]);
    });
    await Promise.all(uploads);
    assert.equal(all.proxy.counters.get(Counter.http2Connections), 1);
    assert.equal(all.proxy.counters.get(Counter.http2Streams), 200);
  });

  test("a client that waits for a 100 gets it", async () => {
    await using all = await startAll();
    const stream = all.client.open({
      ":method": "POST",
      ":path": "/upload",
      expect: "100-continue",
      "content-length": "5",
    });
    stream.on("continue", () => stream.end("hello"));
    const { status, body } = await readAnswer(stream);
    assert.equal(status, 200);
    assert.equal((JSON.parse(body.toString()) as UploadAnswer).bytes, 5);
  });

  test("a response that the server cuts is reset", async () => {
    await using all = await startAll();
    const { code } = await all.client.get("/cut/10");
    assert.equal(code, constants.NGHTTP2_INTERNAL_ERROR);
    assert.equal((await all.client.get("/")).status, 200);
  });
});

describe("responses of the proxy's own to HTTP/2 clients", () => {
  test("an answer before the body, which is read all the same", async () => {
    const phases = { requestFilter: (session: Session) => session.respond({ status: 200, body: "early" }) };
    await using all = await startAll({ phases });
    for (const size of [10, 60_000, 1_000_000]) {
      const answer = await all.client.send({ ":method": "POST", ":path": "/" }, patternBytes(size));
      assert.deepEqual([answer.status, answer.body.toString(), answer.code], [200, "early", 0], `${size}`);
    }
    assert.equal((await all.client.get("/")).status, 200);
  });

  test("the log says which protocol it was", async () => {
    const protocols: string[] = [];
    await using all = await startAll({
      phases: { logging: (session: Session) => void protocols.push(session.request.protocol) },
    });
    await all.client.get("/");
    assert.deepEqual(protocols, ["HTTP/2"]);
  });

  test("CONNECT is refused where it isn't allowed, and the connection goes on", async () => {
    await using all = await startAll();
    let goaways = 0;
    all.client.session.on("goaway", () => goaways++);
    const { status } = await all.client.send({ ":method": "CONNECT", ":authority": "127.0.0.1:1" }, null);
    assert.equal(status, 405);
    assert.equal((await all.client.get("/")).status, 200);
    assert.equal(goaways, 0);
  });
});

describe("HTTP/2 clients that go away", () => {
  test("a reset in the middle of a response", async () => {
    await using all = await startAll();
    const stream = all.client.open({ ":path": "/bytes/50000000" }, true);
    await once(stream, "data");
    stream.pause();
    const closed = once(stream, "close");
    stream.close(constants.NGHTTP2_CANCEL);
    await closed;
    await until("the session is over", () => all.proxy.counters.get(Counter.requestsActive) === 0);
    assert.equal((await all.client.get("/")).status, 200);
  });

  test("a reset while the server is waited for", async () => {
    await using all = await startAll();
    const stream = all.client.open({ ":path": "/held" }, true);
    await all.origin.request(0);
    stream.close(constants.NGHTTP2_CANCEL);
    await until("the session is over", () => all.proxy.counters.get(Counter.requestsActive) === 0);
    assert.equal(await all.origin.requests[0]!.finished, false);
  });

  test("in the middle of an upload", async () => {
    await using all = await startAll();
    const stream = all.client.open({ ":method": "POST", ":path": "/upload" });
    stream.write("begun");
    await all.origin.request(0);
    // Node would end the request before it resets it.
    all.client.session.destroy();
    await until("the session is over", () => all.proxy.counters.get(Counter.requestsActive) === 0);
    assert.equal(await all.origin.requests[0]!.finished, false);
  });

  test("a connection with a hundred streams", async () => {
    await using all = await startAll();
    const ends = Array.from({ length: 100 }, () => all.client.get("/held"));
    await all.origin.request(99);
    all.client.session.destroy();
    await Promise.all(ends);
    await until("the sessions are over", () => all.proxy.counters.get(Counter.requestsActive) === 0);
  });

  test("one that reads nothing of one response, and all of the others", async () => {
    await using all = await startAll();
    const slow = all.client.open({ ":path": "/bytes/3000000" }, true);
    await once(slow, "data");
    slow.pause();
    for (let i = 0; i < 20; i++) {
      const { body } = await all.client.get(`/bytes/300000?seed=${i}`);
      assert.ok(body.equals(patternBytes(300_000, 0, i)));
    }
    const rest = readAnswer(slow);
    slow.resume();
    assert.equal((await rest).code, 0);
  });
});

describe("the end of an HTTP/2 connection", () => {
  test("a proxy that stops has its streams answered", async () => {
    await using all = await startAll();
    const answer = all.client.get("/held");
    await all.origin.request(0);
    const stopped = all.proxy.server.drain(10_000);
    await until("the client was told", () => all.client.goaways.length > 0);
    all.origin.release();
    assert.equal((await answer).status, 200);
    await stopped;
    await until("the connection is closed", () => all.client.closed);
  });

  test("a connection without streams is closed after a while", async () => {
    await using all = await startAll({ settings: { keepAliveTimeout: 200 } });
    assert.equal((await all.client.get("/")).status, 200);
    await until("the connection is closed", () => all.client.closed);
    assert.deepEqual([...new Set(all.client.goaways)], [0]);
  });

  test("a request that crosses with that is answered", async () => {
    await using proxy = await startProxy({ phases: answering, settings: { keepAliveTimeout: 150 } });
    await using client = await connectFrames(proxy.port);
    client.mutesPings = true;
    await client.until(() => client.goaway !== "");
    client.request(1, true);
    await client.until(() => client.endOf(1) === "end");
    client.sendRaw(frame(FrameType.Ping, FrameFlag.Ack, 0, Buffer.alloc(8)));
    await until("the connection is closed", () => client.closed);
    const goaways = client.notes.filter((note) => note.startsWith("goaway"));
    assert.deepEqual(goaways, ["goaway 2147483647 NO_ERROR ", "goaway 1 NO_ERROR "]);
  });

  test("is waited for as long as something is under way on it", async () => {
    await using all = await startAll();
    await using client = await connectFrames(all.proxy.port);
    client.mutesPings = true;
    client.request(1, true, [...GET, [":path", "/held"]]);
    await all.origin.request(0);
    const stopped = all.proxy.server.drain(20_000);
    await client.until(() => client.goaway !== "");
    // Longer than without anything.
    await setTimeout(2_300);
    client.request(3, true, [...GET, [":path", "/"]]);
    await client.until(() => client.endOf(3) === "end");
    client.sendRaw(frame(FrameType.Ping, FrameFlag.Ack, 0, Buffer.alloc(8)));
    await client.until(() => client.notes.includes("goaway 3 NO_ERROR "));
    // What crosses with that is as if it hadn't come.
    client.request(5, false, [...GET, [":path", "/"]]);
    client.sendRaw(frame(FrameType.Data, FrameFlag.EndStream, 5, "x"));
    client.sendRaw(frame(FrameType.Ping, 0, 0, Buffer.alloc(8)));
    await client.until(() => client.notes.some((note) => note.startsWith("ping ack")));
    all.origin.release();
    await stopped;
    assert.equal(client.endOf(1), "end");
  });

  for (const http2 of [true, { only: true }]) {
    const where = http2 === true ? ", where it might be HTTP/1" : "";
    test(`one that has said nothing yet hears of it behind its first request${where}`, async () => {
      await using proxy = await startProxy({ phases: answering, http2 });
      const socket = connect(proxy.port, "127.0.0.1");
      await until("it is accepted", () => proxy.count("connectionsOpen") === 1);
      const stopped = proxy.server.drain(10_000);
      await using client = new FrameClient(socket);
      client.request(1, true);
      await client.until(() => client.endOf(1) === "end" && client.goaway !== "");
      const told = client.notes.filter((note) => /^(settings ack|goaway)/.test(note));
      assert.equal(told[0], "settings ack");
      await stopped;
    });
  }

  test("only so many requests", async () => {
    await using all = await startAll({ settings: { requestsPerConnection: 3 } });
    for (let i = 0; i < 3; i++) assert.equal((await all.client.get("/")).status, 200);
    await until("the connection is closed", () => all.client.closed);
  });

  test("a call with a deadline that can't be read ends no connection", async () => {
    await using all = await startAll();
    const call = { ":method": "POST", ":path": "/", "content-type": "application/grpc", te: "trailers" };
    for (let i = 0; i < 3; i++) {
      const { headers } = await all.client.send({ ...call, "grpc-timeout": "soon" }, "");
      assert.notEqual(headers["grpc-status"], "0");
    }
    assert.equal((await all.client.get("/")).status, 200);
    assert.deepEqual(all.client.goaways, []);
  });

  test("HTTP/2 is refused where it is switched off", async () => {
    await using all = await startAll({ http2: false });
    await until("the connection is closed", () => all.client.closed);
  });
});

/** Fields by their names in lower case. */
function fieldsOf(raw: readonly string[]): Map<string, string> {
  const fields = new Map<string, string>();
  for (let i = 0; i < raw.length; i += 2) fields.set(raw[i]!.toLowerCase(), raw[i + 1]!);
  return fields;
}
