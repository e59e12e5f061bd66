import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { status as Status } from "@grpc/grpc-js";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { GrpcClient, GrpcOrigin, statusOf } from "../kit/grpc.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { startOrigin } from "../kit/origins.ts";
import { freePort } from "../kit/ports.ts";
import { RecordingWatcher } from "../kit/recording-watcher.ts";
import { type ProxyUnderTest, startProxy } from "./proxy.ts";

const peer = { protocol: "h2c" } as const;
const retries = { maxTries: 3, onGrpcStatus: [Status.UNAVAILABLE] };

/** A proxy whose attempts go to one port after the other, beginning anew with each call. */
function proxyInTurn(ports: readonly number[], options: object = { retries }): Promise<ProxyUnderTest> {
  const upstreamPeer = ({ tries }: { tries: number }): HttpPeer =>
    new HttpPeer(`127.0.0.1:${ports[(tries - 1) % ports.length]}`, peer);
  return startProxy({ ...options, phases: { upstreamPeer } });
}

describe("a call that ends without an answer", () => {
  test("is repeated elsewhere when its status is one of those, with all that was sent of it", async () => {
    await using busy = await GrpcOrigin.start("busy", { refuses: "14:busy" });
    await using well = await GrpcOrigin.start("well");
    await using proxy = await proxyInTurn([busy.port, well.port]);
    using client = new GrpcClient(proxy.port);
    const { code, message, metadata } = await client.unary(Buffer.alloc(10_000, "x"));
    assert.deepEqual([code, message?.length], [Status.OK, 10_000]);
    assert.deepEqual(metadata?.get("x-server"), ["well"]);
    const stream = await statusOf(client.download("5 10"));
    assert.equal(stream.messages, 5);
    assert.deepEqual([busy.seen.length, well.seen.length], [2, 2]);
    assert.equal(proxy.count("retries"), 2);
  });

  test("is repeated elsewhere while its client goes on to send", async () => {
    await using busy = await GrpcOrigin.start("busy", { refuses: "14:busy" });
    await using well = await GrpcOrigin.start("well");
    await using proxy = await proxyInTurn([busy.port, well.port]);
    using client = new GrpcClient(proxy.port);
    const talk = client.talk();
    for (let i = 0; i < 5; i++) {
      talk.write(Buffer.from(`${i}`));
      const heard = await new Promise((resolve) => talk.once("data", resolve));
      assert.equal(String(heard), `${i}`);
    }
    const ended = statusOf(talk);
    talk.end();
    assert.equal((await ended).status.code, Status.OK);
    const answer = await new Promise<string>((resolve, reject) => {
      const call = client.upload((error, value) => (error === null ? resolve(String(value)) : reject(error)));
      for (let i = 0; i < 20; i++) call.write(Buffer.alloc(1000));
      call.end();
    });
    assert.equal(answer, "20 20000");
  });

  test("isn't with another status, nor after the last attempt", async () => {
    await using busy = await GrpcOrigin.start("busy", { refuses: "14:busy" });
    await using proxy = await proxyInTurn([busy.port]);
    using client = new GrpcClient(proxy.port);
    const refused = await client.unary("x");
    assert.deepEqual([refused.code, refused.details], [Status.UNAVAILABLE, "busy"]);
    assert.equal(busy.seen.length, 3);
    await using wrong = await GrpcOrigin.start("wrong");
    await using other = await proxyInTurn([wrong.port]);
    using caller = new GrpcClient(other.port);
    assert.equal((await caller.unary("x", { "x-fail": "3:wrong" })).code, Status.INVALID_ARGUMENT);
    assert.equal(wrong.seen.length, 1);
  });

  test("isn't when the client has had some of an answer", async () => {
    await using origin = await GrpcOrigin.start();
    await using proxy = await proxyInTurn([origin.port]);
    using client = new GrpcClient(proxy.port);
    const talk = client.talk();
    const ended = statusOf(talk);
    talk.write(Buffer.from("hello"));
    await new Promise((resolve) => talk.once("data", resolve));
    talk.write(Buffer.from("fail 14"));
    const { status, messages } = await ended;
    assert.deepEqual([status.code, messages], [Status.UNAVAILABLE, 1]);
    assert.equal(origin.seen.length, 1);
  });

  test("isn't when its server was lost, but for those who ask for that too", async () => {
    await using origin = await startOrigin({ http2: true });
    origin.handle("/lost", ({ response }) => {
      assert.ok("stream" in response);
      response.stream.session?.destroy();
    });
    const call = { ":method": "POST", ":path": "/lost", "content-type": "application/grpc", te: "trailers" };
    for (const [policy, times] of [
      [retries, 1],
      [{ ...retries, onReset: true }, 3],
    ] as const) {
      await using proxy = await startProxy({ origin, peer, retries: policy });
      await using client = new Http2Client(proxy.port);
      const before = origin.requests.length;
      // The connection has been used before.
      await client.get("/");
      const { headers } = await client.send(call, "");
      assert.equal(headers["grpc-status"], String(Status.UNAVAILABLE));
      assert.equal(origin.requests.length - before, 1 + times);
    }
  });

  test("isn't unless somebody asks for it", async () => {
    await using busy = await GrpcOrigin.start("busy", { refuses: "14:busy" });
    await using proxy = await proxyInTurn([busy.port], {});
    using client = new GrpcClient(proxy.port);
    assert.equal((await client.unary("x")).code, Status.UNAVAILABLE);
    assert.equal(busy.seen.length, 1);
  });
});

test("whoever watches a server hears what its statuses say of it", async () => {
  await using origin = await GrpcOrigin.start();
  const watcher = new RecordingWatcher();
  const upstreamPeer = (): HttpPeer => watcher.peer(origin.port, peer);
  await using proxy = await startProxy({ phases: { upstreamPeer } });
  using client = new GrpcClient(proxy.port);
  for (const status of [14, 13, 4, 8, 5, 0])
    await client.unary("", status === 0 ? {} : { "x-fail": `${status}:` });
  assert.deepEqual(watcher.statuses, [503, 500, 504, 429, 200, 200]);
});

test("a call that met nobody is repeated whatever its status", async () => {
  await using well = await GrpcOrigin.start("well");
  const ports = [await freePort(), well.port];
  await using proxy = await proxyInTurn(ports, { retries: { onConnectFailure: true } });
  using client = new GrpcClient(proxy.port);
  assert.equal((await client.unary("x")).code, Status.OK);
});
