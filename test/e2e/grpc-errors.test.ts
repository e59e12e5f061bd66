import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingHttpHeaders } from "node:http2";
import { describe, test } from "node:test";
import { status as Status } from "@grpc/grpc-js";
import { ProxyError } from "../../src/base/errors.ts";
import type { ProxyPhases } from "../../src/proxy/phases.ts";
import type { Session } from "../../src/proxy/session.ts";
import { startDeafServer } from "../kit/deaf-server.ts";
import { GrpcClient, GrpcOrigin, statusOf } from "../kit/grpc.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { startOrigin } from "../kit/origins.ts";
import { freePort } from "../kit/ports.ts";
import { startProxy } from "./proxy.ts";

const peer = { protocol: "h2c" } as const;

/** A proxy whose requests are answered by `answer`. */
function answering(answer: (session: Session) => unknown): { phases: Partial<ProxyPhases> } {
  return { phases: { requestFilter: answer } };
}

const WORDS = { "Content-Type": "text/plain" };

describe("what the proxy answers to calls by itself", () => {
  for (const [httpStatus, status] of [
    [400, Status.INTERNAL],
    [401, Status.UNAUTHENTICATED],
    [403, Status.PERMISSION_DENIED],
    [404, Status.UNIMPLEMENTED],
    [413, Status.RESOURCE_EXHAUSTED],
    [418, Status.UNKNOWN],
    [429, Status.RESOURCE_EXHAUSTED],
    [500, Status.INTERNAL],
    [502, Status.UNAVAILABLE],
    [503, Status.UNAVAILABLE],
    [504, Status.DEADLINE_EXCEEDED],
  ] as const) {
    test(`is a status of gRPC in place of ${httpStatus}`, async () => {
      const respond = (session: Session): true =>
        session.respond({
          status: httpStatus,
          headers: { ...WORDS, "X-Left": "0" },
          body: "not now: 100%\n",
        });
      await using proxy = await startProxy({ ...answering(respond), origin: { port: 1 } });
      using client = new GrpcClient(proxy.port);
      const outcome = await client.unary("");
      assert.deepEqual([outcome.code, outcome.details], [status, "not now: 100%"]);
      assert.deepEqual(outcome.trailers.get("x-left"), ["0"]);
    });
  }

  test("is one frame of HTTP/2, without a body", async () => {
    const fail = (): never => {
      throw new ProxyError("NO_ROUTE");
    };
    await using proxy = await startProxy({ ...answering(fail), origin: { port: 1 } });
    await using client = new Http2Client(proxy.port);
    const call = { ":method": "POST", ":path": "/a.B/C", "content-type": "application/grpc", te: "trailers" };
    const { status, headers, body, trailers } = await client.send(call, "");
    assert.equal(status, 200);
    assert.deepEqual([body.length, trailers], [0, null]);
    assert.equal(headers["content-type"], "application/grpc");
    assert.equal(headers["grpc-status"], String(Status.UNIMPLEMENTED));
    assert.equal(headers["grpc-message"], "HTTP 404 Not Found");
    assert.equal(headers["content-length"], undefined);
    const plain = await client.send({ ":method": "POST", ":path": "/", "content-type": "text/x" }, "");
    assert.equal(plain.status, 404);
  });

  test("leaves no body waiting that nobody gets", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    async function* body(): AsyncGenerator<string> {
      try {
        yield "words";
        yield "that nobody reads";
      } finally {
        resolve();
      }
    }
    const respond = (session: Session): true => session.respond({ status: 403, body: body() });
    await using proxy = await startProxy({ ...answering(respond), origin: { port: 1 } });
    using client = new GrpcClient(proxy.port);
    const { code, details } = await client.unary("");
    assert.deepEqual([code, details], [Status.PERMISSION_DENIED, "HTTP 403 Forbidden"]);
    await promise;
  });

  test("stays what it is when it is no error, or gRPC already", async () => {
    const respond = (session: Session): true => {
      if (session.request.path.endsWith("/Unary"))
        return session.respond({
          status: 200,
          headers: { "content-type": "application/grpc", "grpc-status": "10", "grpc-message": "own" },
        });
      return session.respond({ status: 302, headers: { location: "/" } });
    };
    await using proxy = await startProxy({ ...answering(respond), origin: { port: 1 } });
    using client = new GrpcClient(proxy.port);
    const own = await client.unary("");
    assert.deepEqual([own.code, own.details], [Status.ABORTED, "own"]);
    await using plain = new Http2Client(proxy.port);
    const { status } = await plain.send(
      { ":method": "POST", "content-type": "application/grpc", te: "trailers" },
      "",
    );
    assert.equal(status, 302);
  });
});

describe("calls to servers that fail", () => {
  test("are UNAVAILABLE when nobody is there", async () => {
    await using proxy = await startProxy({ origin: { port: await freePort() }, peer });
    using client = new GrpcClient(proxy.port);
    const refused = await client.unary("");
    assert.deepEqual([refused.code, refused.details], [Status.UNAVAILABLE, "HTTP 502 Bad Gateway"]);
    const stream = await statusOf(client.talk());
    assert.equal(stream.status.code, Status.UNAVAILABLE);
  });

  test("are DEADLINE_EXCEEDED when they don't answer in time, and UNAVAILABLE when they fall silent", async () => {
    await using origin = await startOrigin({ http2: true });
    origin.handle("/sluice.test.Echo/Download", ({ response }) => {
      assert.ok("stream" in response);
      response.writeHead(200, { "content-type": "application/grpc" });
      response.write(Buffer.from([0, 0, 0, 0, 1, 0x61]));
    });
    origin.handle("/sluice.test.Echo/Unary", () => undefined);
    await using proxy = await startProxy({
      origin,
      peer: { ...peer, firstByteTimeout: 200, readTimeout: 200 },
    });
    using client = new GrpcClient(proxy.port);
    const silent = await statusOf(client.download("1 10 open"));
    assert.deepEqual([silent.status.code, silent.messages], [Status.UNAVAILABLE, 1]);
    const late = await client.unary("");
    assert.deepEqual([late.code, late.details], [Status.DEADLINE_EXCEEDED, "HTTP 504 Gateway Timeout"]);
    for (const { finished } of origin.requests) assert.equal(await finished, false);
  });

  test("are told of a server that is lost in the middle", async () => {
    const origin = await GrpcOrigin.start();
    await using proxy = await startProxy({ origin, peer });
    using client = new GrpcClient(proxy.port);
    const stream = client.download("3 100 open");
    const ended = statusOf(stream);
    for (let i = 0; i < 3; i++) await new Promise((resolve) => stream.once("data", resolve));
    await origin[Symbol.asyncDispose]();
    const { status, messages } = await ended;
    assert.equal(messages, 3);
    assert.ok(
      [Status.UNAVAILABLE, Status.CANCELLED, Status.INTERNAL].includes(status.code),
      String(status.code),
    );
  });

  test("get a plain answer of a server as it is", async () => {
    await using origin = await startOrigin({ http2: true });
    origin.handle("/sluice.test.Echo/Unary", ({ response }) => {
      assert.ok("stream" in response);
      response.writeHead(502, { "content-type": "text/html" });
      response.end("<h1>no</h1>");
    });
    await using proxy = await startProxy({ origin, peer });
    using client = new GrpcClient(proxy.port);
    const outcome = await client.unary("");
    assert.equal(outcome.code, Status.UNAVAILABLE);
    assert.match(outcome.details, /502/);
  });

  test("don't wait longer than a connection may take", async () => {
    await using deaf = await startDeafServer();
    await using proxy = await startProxy({ origin: deaf, peer: { ...peer, connectTimeout: 200 } });
    using client = new GrpcClient(proxy.port);
    const outcome = await client.unary("");
    assert.equal(outcome.code, Status.UNAVAILABLE);
  });
});

test("a stream of small messages with pauses isn't taken for a slow upload", async () => {
  await using origin = await GrpcOrigin.start();
  const settings = { bodyTimeout: 300, minimumRate: 1_000_000 };
  await using proxy = await startProxy({ origin, peer, settings });
  using client = new GrpcClient(proxy.port);
  // From now on there is a connection that calls go on at once.
  await client.unary("");
  const talk = client.talk();
  for (let i = 0; i < 3; i++) {
    if (i > 0) await new Promise((resolve) => setTimeout(resolve, 700));
    talk.write(Buffer.from("x"));
    await new Promise((resolve) => talk.once("data", resolve));
  }
  talk.end();
  assert.equal((await statusOf(talk)).status.code, Status.OK);
});

test("a call to a server of HTTP/1 has no time for pauses", async () => {
  await using origin = await startOrigin();
  await using proxy = await startProxy({ origin, settings: { bodyTimeout: 100 } });
  await using client = new Http2Client(proxy.port);
  const stream = client.open({
    ...{ ":method": "POST", ":path": "/upload", "content-type": "application/grpc", te: "trailers" },
  });
  stream.write("x");
  const [head] = (await once(stream, "response")) as [IncomingHttpHeaders];
  assert.equal(head["grpc-status"], String(Status.DEADLINE_EXCEEDED));
  stream.close();
});
