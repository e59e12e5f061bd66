import assert from "node:assert/strict";
import { test } from "node:test";
import { status as Status } from "@grpc/grpc-js";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { GrpcClient, GrpcOrigin, statusOf } from "../kit/grpc.ts";
import { authority, startSecureProxy } from "./tls-proxy.ts";

test("calls go through with TLS on both sides", async () => {
  const { key, cert } = await authority.issue();
  await using origin = await GrpcOrigin.start("secure", { tls: { key, cert } });
  const peer = { tls: { ca: authority.cert, sni: "localhost" }, protocol: "h2" } as const;
  const upstreamPeer = (): HttpPeer => new HttpPeer(`127.0.0.1:${origin.port}`, peer);
  await using secure = await startSecureProxy({ phases: { upstreamPeer } });
  using client = new GrpcClient(secure.port, authority.cert);
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => client.unary(`${i}`)));
  assert.deepEqual(
    answers.map(({ message }) => message?.toString()),
    Array.from({ length: 100 }, (_, i) => `${i}`),
  );
  assert.deepEqual(answers[0]?.metadata?.get("x-server"), ["secure"]);
  const { status, bytes } = await statusOf(client.download("100 100000"));
  assert.deepEqual([status.code, bytes], [Status.OK, 10_000_000]);
  const cut = client.download("1 1 open");
  const ended = statusOf(cut);
  cut.once("data", () => cut.cancel());
  assert.equal((await ended).status.code, Status.CANCELLED);
  await (await origin.call(101)).cancelled;
  const failed = await client.unary("", { "x-fail": "6:there%20already" });
  assert.deepEqual([failed.code, failed.details], [Status.ALREADY_EXISTS, "there already"]);
});
