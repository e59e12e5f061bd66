import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { status as Status } from "@grpc/grpc-js";
import type { ProxyError } from "../../src/base/errors.ts";
import type { ProxyPhases } from "../../src/proxy/phases.ts";
import type { Session } from "../../src/proxy/session.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { GrpcClient, GrpcOrigin, statusOf } from "../kit/grpc.ts";
import { callsInAllWays } from "../kit/grpc-ways.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { type ProxyOptions, type ProxyUnderTest, startProxy } from "./proxy.ts";
import { authority, startSecureProxy } from "./tls-proxy.ts";

const peer = { protocol: "h2c" } as const;

function proxyBefore(origin: GrpcOrigin, options: ProxyOptions<undefined> = {}): Promise<ProxyUnderTest> {
  return startProxy({ origin, peer, ...options });
}

describe("gRPC calls", () => {
  test("of all four kinds go through", async () => {
    await using origin = await GrpcOrigin.start("a");
    await using proxy = await proxyBefore(origin);
    using client = new GrpcClient(proxy.port);
    const binary = Buffer.from([0, 1, 0xff, 0xfe]);
    const unary = await client.unary("hello", { "x-echo-bin": binary, "x-plain": "a, b" });
    assert.deepEqual([unary.code, unary.message?.toString()], [Status.OK, "hello"]);
    assert.deepEqual(unary.metadata?.get("x-server"), ["a"]);
    assert.deepEqual(unary.metadata?.get("x-echo-bin"), [binary]);
    assert.deepEqual(unary.trailers.get("x-trailer-bin"), [binary]);
    assert.deepEqual((await origin.call(0)).metadata.get("x-plain"), ["a, b"]);

    const uploaded = await new Promise<string>((resolve, reject) => {
      const call = client.upload((error, value) => (error === null ? resolve(String(value)) : reject(error)));
      for (let i = 0; i < 100; i++) call.write(Buffer.alloc(1000, i));
      call.end();
    });
    assert.equal(uploaded, "100 100000");

    const download = await statusOf(client.download("50 2000"));
    assert.deepEqual([download.status.code, download.messages, download.bytes], [Status.OK, 50, 100_000]);

    const talk = client.talk();
    const heard: string[] = [];
    for (let i = 0; i < 10; i++) {
      talk.write(Buffer.from(`message ${i}`));
      heard.push(String(await new Promise((resolve) => talk.once("data", resolve))));
    }
    assert.deepEqual(
      heard,
      Array.from({ length: 10 }, (_, i) => `message ${i}`),
    );
    talk.end();
    assert.equal((await statusOf(talk)).status.code, Status.OK);
  });

  test("with large and empty messages go through", async () => {
    await using origin = await GrpcOrigin.start();
    await using proxy = await proxyBefore(origin);
    using client = new GrpcClient(proxy.port);
    const large = Buffer.alloc(5_000_000, "x");
    const [big, empty] = await Promise.all([client.unary(large), client.unary("")]);
    assert.ok(big.message?.equals(large));
    assert.equal(empty.message?.length, 0);
  });

  test("that end without an answer keep their status, words and metadata", async () => {
    await using origin = await GrpcOrigin.start();
    await using proxy = await proxyBefore(origin);
    using client = new GrpcClient(proxy.port);
    const failed = await client.unary("", { "x-fail": `9:${encodeURIComponent("not so, wörds 100%")}` });
    assert.deepEqual([failed.code, failed.details], [Status.FAILED_PRECONDITION, "not so, wörds 100%"]);
    assert.deepEqual(failed.trailers.get("x-failed"), ["yes"]);
    assert.deepEqual(failed.trailers.get("content-length"), []);
    const stream = await statusOf(client.download("1 1", { "x-fail": "5:nothing" }));
    assert.deepEqual([stream.status.code, stream.status.details], [Status.NOT_FOUND, "nothing"]);
    const unknown = await statusOf(client.download("2 10"));
    assert.equal(unknown.messages, 2);
  });

  test("go through the filters of programs, also those that end without an answer", async () => {
    await using origin = await GrpcOrigin.start();
    const seen: (number | string)[] = [];
    const phases: Partial<ProxyPhases> = {
      requestBodyFilter: (_session, chunk) => void seen.push(chunk?.length ?? "end"),
      responseFilter: (_session, { headers }) => headers.set("x-filtered", "yes"),
      responseBodyFilter: (_session, chunk) => (chunk === null ? undefined : Buffer.from(chunk)),
      responseTrailerFilter: (_session, trailers) => trailers.set("x-late", "yes"),
    };
    await using proxy = await proxyBefore(origin, { phases });
    using client = new GrpcClient(proxy.port);
    const well = await client.unary("hello");
    assert.equal(well.message?.toString(), "hello");
    assert.deepEqual([well.metadata?.get("x-filtered"), well.trailers.get("x-late")], [["yes"], ["yes"]]);
    assert.deepEqual(seen, [10, "end"]);
    const failed = await client.unary("", { "x-fail": "9:no" });
    assert.deepEqual([failed.code, failed.details], [Status.FAILED_PRECONDITION, "no"]);
    assert.deepEqual(failed.trailers.get("x-filtered"), ["yes"]);
  });

  test("that are cancelled are cancelled at the server at once", async () => {
    await using origin = await GrpcOrigin.start();
    await using proxy = await proxyBefore(origin);
    using client = new GrpcClient(proxy.port);
    const waiting = client.download("1 10 open");
    const talking = client.talk();
    talking.write(Buffer.from("hi"));
    await Promise.all([waiting, talking].map((call) => new Promise((resolve) => call.once("data", resolve))));
    const ends = [waiting, talking].map((call) => statusOf(call));
    waiting.cancel();
    talking.cancel();
    for (const { status } of await Promise.all(ends)) assert.equal(status.code, Status.CANCELLED);
    await Promise.all([0, 1].map(async (i) => (await origin.call(i)).cancelled));
    assert.equal((await client.unary("still")).message?.toString(), "still");
  });

  test("go on when the client has said all it has to say", async () => {
    await using origin = await GrpcOrigin.start();
    await using proxy = await proxyBefore(origin);
    using client = new GrpcClient(proxy.port);
    const talk = client.talk();
    const done = statusOf(talk);
    for (let i = 0; i < 300; i++) talk.write(Buffer.alloc(500));
    talk.end();
    const { status, messages } = await done;
    assert.deepEqual([status.code, messages], [Status.OK, 300]);
    const ended = client.talk();
    ended.write(Buffer.from("close"));
    assert.equal((await statusOf(ended)).status.code, Status.OK);
  });

  test("of one connection are spread over servers, each by itself", async () => {
    const origins = await Promise.all(["a", "b", "c"].map((name) => GrpcOrigin.start(name)));
    let next = 0;
    const upstreamPeer = (): HttpPeer =>
      new HttpPeer(`127.0.0.1:${origins[next++ % origins.length]?.port}`, peer);
    await using proxy = await startProxy({ phases: { upstreamPeer } });
    using client = new GrpcClient(proxy.port);
    const answers = await Promise.all(Array.from({ length: 150 }, () => client.unary("x")));
    const counts = new Map<string, number>();
    for (const { metadata } of answers) {
      const name = String(metadata?.get("x-server")[0]);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    assert.deepEqual([...counts.values()], [50, 50, 50]);
    assert.equal(proxy.count("connectionsAccepted"), 1);
    await Promise.all(origins.map((origin) => origin[Symbol.asyncDispose]()));
  });

  test("by the hundred over one connection end each in its own way", async () => {
    await using origin = await GrpcOrigin.start();
    await using proxy = await proxyBefore(origin);
    using client = new GrpcClient(proxy.port);
    await callsInAllWays(client, 600);
    assert.equal(proxy.count("connectionsAccepted"), 1);
    await proxy.settled(1);
  });

  test("under way outlive a server that is asked to end, and new ones go elsewhere", async () => {
    const first = await GrpcOrigin.start("old");
    await using proxy = await proxyBefore(first);
    using client = new GrpcClient(proxy.port);
    const talk = client.talk();
    const echo = (text: string): Promise<string> => {
      const heard = new Promise<string>((resolve) =>
        talk.once("data", (data: Buffer) => resolve(String(data))),
      );
      talk.write(Buffer.from(text));
      return heard;
    };
    assert.equal(await echo("before"), "before");
    const closing = first.shutDown();
    assert.equal(await echo("after"), "after");
    const refused = await client.unary("too late");
    assert.equal(refused.code, Status.UNAVAILABLE);
    await using second = await GrpcOrigin.start("new", { port: first.port });
    assert.equal(second.port, first.port);
    const taken = await client.unary("again");
    assert.deepEqual(taken.metadata?.get("x-server"), ["new"]);
    talk.end();
    assert.equal((await statusOf(talk)).status.code, Status.OK);
    await closing;
  });

  test("under way are finished when the proxy is asked to end", async () => {
    await using origin = await GrpcOrigin.start();
    await using proxy = await proxyBefore(origin);
    using client = new GrpcClient(proxy.port);
    const talk = client.talk();
    const echo = async (): Promise<void> => {
      const heard = new Promise((resolve) => talk.once("data", resolve));
      talk.write(Buffer.from("x"));
      await heard;
    };
    await echo();
    const drained = proxy.server.drain(20_000);
    for (let i = 0; i < 10; i++) await echo();
    assert.equal((await client.unary("late")).code, Status.UNAVAILABLE);
    const ended = statusOf(talk);
    talk.end();
    assert.equal((await ended).status.code, Status.OK);
    await drained;
  });
});

test("calls go through with TLS on both sides", async () => {
  const { key, cert } = await authority.issue();
  await using origin = await GrpcOrigin.start("secure", { tls: { key, cert } });
  const secured = { tls: { ca: authority.cert, sni: "localhost" }, protocol: "h2" } as const;
  const upstreamPeer = (): HttpPeer => new HttpPeer(`127.0.0.1:${origin.port}`, secured);
  await using secure = await startSecureProxy({ phases: { upstreamPeer } });
  using client = new GrpcClient(secure.port, authority.cert);
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => client.unary(`${i}`)));
  assert.deepEqual(
    answers.map(({ message }) => message?.toString()),
    Array.from({ length: 100 }, (_, i) => `${i}`),
  );
  assert.deepEqual(answers[0]?.metadata?.get("x-server"), ["secure"]);
  const { status, bytes } = await statusOf(client.download("20 100000"));
  assert.deepEqual([status.code, bytes], [Status.OK, 2_000_000]);
  const cut = client.download("1 1 open");
  const ended = statusOf(cut);
  cut.once("data", () => cut.cancel());
  assert.equal((await ended).status.code, Status.CANCELLED);
  await (await origin.call(101)).cancelled;
  const failed = await client.unary("", { "x-fail": "6:there%20already" });
  assert.deepEqual([failed.code, failed.details], [Status.ALREADY_EXISTS, "there already"]);
});

test("logs know how a call ended, whoever said so", async () => {
  const ended: [path: string, status: number | null][] = [];
  const logging = ({ request, grpcStatus }: Session, _error: ProxyError | null): void =>
    void ended.push([request.path, grpcStatus]);
  const requestFilter = (session: Session): unknown =>
    session.request.headers.has("x-limited") ? session.respond({ status: 429 }) : undefined;
  await using origin = await GrpcOrigin.start();
  await using proxy = await startProxy({
    origin,
    peer,
    phases: { logging, requestFilter },
  });
  using client = new GrpcClient(proxy.port);
  await client.unary("well");
  await client.unary("", { "x-fail": "9:no" });
  await client.unary("", { "x-limited": "1" });
  await client.unary("", { "x-wait": "-1", "grpc-timeout": "20m" });
  await using plain = new Http2Client(proxy.port);
  await plain.get("/plain");
  await proxy.settled(2);
  const path = "/sluice.test.Echo/Unary";
  assert.deepEqual(ended, [...[0, 9, 8, 4].map((status) => [path, status]), ["/plain", null]]);
});
