import assert from "node:assert/strict";
import { constants } from "node:http2";
import { after, before, describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { Http2Client, readAnswer } from "../kit/http2-client.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { request } from "./proxy.ts";
import { SERVER_TLS, SecureStage, TRUST } from "./secure-stage.ts";

/*
 * Limits on a listener with TLS, before servers of HTTP/2: those on requests count streams, those on connections count
 * connections, and clients are who connects.
 */

describe("limits on requests", () => {
  let origin: Origin;
  let stage: SecureStage;

  before(async () => {
    origin = await startOrigin({ tls: SERVER_TLS, http2: true });
    const routes = [
      { match: "/five", upstream: "api", limits: { limit: 5, per: "1m" }, rewrite: { path: "/" } },
      { match: "/held", upstream: "api", limits: { limit: 3, algorithm: "concurrency" } },
      { match: "/burst", upstream: "api", limits: { limit: 1, per: "1h", burst: 4 }, rewrite: { path: "/" } },
      { upstream: "api" },
    ];
    const api = { servers: [origin.address], tls: { ca: "CA", sni: "localhost" }, protocol: "h2" };
    stage = await SecureStage.start({ listener: { routes }, document: { upstreams: { api } } });
  });

  after(async () => {
    await stage[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
  });

  test("let five streams of one connection in, and tell the others how long to wait", async () => {
    const before = origin.requests.length;
    const client = stage.http2();
    const answers = await Promise.all(Array.from({ length: 30 }, () => client.get("/five")));
    const refused = answers.filter(({ status }) => status === 429);
    assert.deepEqual([answers.length - refused.length, refused.length], [5, 25]);
    assert.equal(origin.requests.length - before, 5);
    for (const { status, headers, code } of answers) {
      assert.ok(status === 200 || status === 429);
      assert.equal(code, 0);
      assert.match(String(headers["ratelimit-policy"]), /^"[^"]+";q=5;w=60$/);
    }
    for (const { headers } of refused) {
      assert.match(String(headers["retry-after"]), /^[1-6]?\d$/);
      assert.match(String(headers["ratelimit"]), /;r=0;t=[1-6]?\d$/);
    }
    assert.equal(client.closed, false);
    // The same client, whatever it speaks and over however many connections.
    const old = await stage.http1();
    for (let i = 0; i < 3; i++) assert.equal((await old.exchange(request("GET /five"))).status, 429);
    assert.equal((await stage.http2().get("/five")).status, 429);
    assert.equal(origin.requests.length - before, 5);
  });

  test("tell clients apart by where their connections come from", async () => {
    const client = stage.http2();
    const burst = async (one: Http2Client): Promise<number> => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => one.get("/burst")));
      return answers.filter(({ status }) => status === 200).length;
    };
    assert.equal(await burst(client), 4);
    await using other = new Http2Client(stage.port, { ...TRUST, ...{ localAddress: "127.0.0.2" } });
    assert.equal(await burst(other), 4);
    assert.equal(await burst(client), 0);
  });

  test("let so many streams in at once, and others when these are reset or end", async () => {
    const client = stage.http2();
    const held = () => origin.requests.filter(({ url }) => url === "/held");
    const open = async (): Promise<ReturnType<Http2Client["open"]>> => {
      const { length } = held();
      const stream = client.open({ ":path": "/held" }, true);
      await until("it is held", () => held().length > length);
      return stream;
    };
    const streams = [await open(), await open(), await open()];
    const answers = streams.map((stream) => readAnswer(stream));
    for (let i = 0; i < 5; i++) assert.equal((await client.get("/held")).status, 429);
    streams[0]!.close(constants.NGHTTP2_CANCEL);
    assert.equal(await held()[0]!.finished, false);
    answers[0] = readAnswer(await open());
    assert.equal((await client.get("/held")).status, 429);
    origin.release();
    for (const answer of answers) assert.equal((await answer).status, 200);
    const last = readAnswer(await open());
    origin.release();
    assert.equal((await last).status, 200);
  });
});

describe("limits on connections", () => {
  test("count connections, however many streams they have", async () => {
    const listener = { respond: "ok", limits: { connections: 3, connections_per_client: 2 } };
    await using stage = await SecureStage.start({ listener, threads: 0 });
    const client = stage.http2();
    const answers = await Promise.all(Array.from({ length: 50 }, () => client.get("/")));
    assert.ok(answers.every(({ status }) => status === 200));
    // In its handshake, it is one as well.
    await using silent = await connectRaw(stage.port);
    await assert.rejects(stage.http1(), /ECONNRESET|socket disconnected/);
    await using other = new Http2Client(stage.port, { ...TRUST, ...{ localAddress: "127.0.0.2" } });
    assert.equal((await other.get("/")).status, 200);
    await assert.rejects(stage.http1(), /ECONNRESET|socket disconnected/);
    silent.reset();
    await until("there is room", () =>
      stage.http1().then(
        () => true,
        () => false,
      ),
    );
    assert.equal((await client.get("/")).status, 200);
  });

  test("end a connection after so many streams, with none lost", async () => {
    const listener = { respond: "ok", limits: { requests_per_connection: 10 } };
    await using stage = await SecureStage.start({ listener, threads: 0 });
    const client = stage.http2();
    for (let i = 0; i < 10; i++) assert.equal((await client.get("/")).status, 200);
    await until("the connection is closed", () => client.closed);
    assert.deepEqual(client.goaways.at(-1), 0);
  });
});

test("limits on what a stream may carry are the stream's", async () => {
  await using origin = await startOrigin({ http2: true });
  const upstreams = { api: { servers: [origin.address], protocol: "h2c" } };
  const listener = { upstream: "api", limits: { body: 1_000, head: "4k", headers: 20 } };
  await using stage = await SecureStage.start({ listener, document: { upstreams }, threads: 0 });
  const client = stage.http2();
  const other = client.open({ ":method": "POST", ":path": "/upload" });
  const answer = readAnswer(other);
  for (const length of [{ "content-length": 1_001 }, {}]) {
    const large = { ":method": "POST", ":path": "/upload", ...length };
    assert.equal((await client.send(large, Buffer.alloc(1_001))).status, 413);
  }
  assert.equal((await client.get("/", { "x-long": "y".repeat(5_000) })).status, 431);
  const many = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`x-${i}`, "y"]));
  assert.equal((await client.get("/", many)).status, 431);
  other.end(Buffer.alloc(1_000));
  assert.equal((await answer).status, 200);
  assert.equal(client.closed, false);
});
