import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { status as Status } from "@grpc/grpc-js";
import { until } from "../kit/deadline.ts";
import { GrpcClient, GrpcOrigin, statusOf } from "../kit/grpc.ts";
import { startComposed } from "./composed.ts";

/** A listener with one route to these servers, with more keys of the route and of the upstream. */
function configure(ports: readonly number[], route: string, upstream = ""): string {
  const servers = ports.map((port) => `"127.0.0.1:${port}"`).join(", ");
  return `
listeners: [{ bind: "127.0.0.1:0" }]
routes: [{ match: /sluice.test.Echo/*, upstream: echo ${route} }]
upstreams: { echo: { servers: [${servers}], protocol: h2c ${upstream} } }`;
}

describe("a route's", () => {
  for (const [what, route, code, details] of [
    ["fault", ", faults: [{ abort: { status: 503, body: broken } }]", Status.UNAVAILABLE, "broken"],
    [
      "delay",
      ", grpc_timeout: 100ms, faults: [{ delay: 10s }]",
      Status.DEADLINE_EXCEEDED,
      "Deadline exceeded",
    ],
  ] as const) {
    test(`${what} is told to calls in gRPC's words`, async () => {
      await using origin = await GrpcOrigin.start();
      await using composed = await startComposed(configure([origin.port], route));
      using client = new GrpcClient(composed.port);
      const outcome = await client.unary("");
      assert.deepEqual([outcome.code, outcome.details], [code, details]);
      assert.equal(origin.seen.length, 0);
    });
  }

  test("limit is RESOURCE_EXHAUSTED, with what there is to know of it", async () => {
    await using origin = await GrpcOrigin.start();
    const limits = ", limits: [{ limit: 1, per: 1h, headers: true }]";
    await using composed = await startComposed(configure([origin.port], limits));
    using client = new GrpcClient(composed.port);
    const first = await client.unary("x");
    assert.deepEqual([first.code, first.metadata?.get("ratelimit").length], [Status.OK, 1]);
    const { code, details, trailers } = await client.unary("");
    assert.deepEqual([code, details], [Status.RESOURCE_EXHAUSTED, "HTTP 429 Too Many Requests"]);
    assert.match(String(trailers.get("retry-after")[0]), /^\d+$/);
    assert.equal(trailers.get("ratelimit").length, 1);
    assert.equal(origin.seen.length, 1);
  });

  test("broken response isn't made a whole one by a status", async () => {
    await using origin = await GrpcOrigin.start();
    const route = ", faults: [{ truncate: 1000 }]";
    await using composed = await startComposed(configure([origin.port], route));
    using client = new GrpcClient(composed.port);
    const { status, messages } = await statusOf(client.download("10 300"));
    assert.equal(status.code, Status.INTERNAL);
    assert.match(status.details, /RST_STREAM/);
    assert.equal(messages, 3);
  });
});

test("what no route takes is UNIMPLEMENTED", async () => {
  const yaml = `
listeners: [{ bind: "127.0.0.1:0" }]
routes: [{ match: /other/*, respond: 200 }]`;
  await using composed = await startComposed(yaml);
  using client = new GrpcClient(composed.port);
  assert.equal((await client.unary("")).code, Status.UNIMPLEMENTED);
});

describe("an upstream's", () => {
  test("policy spreads the calls of one client, as its weights say", async () => {
    const names = ["a", "b", "c"];
    const origins = await Promise.all(names.map((name) => GrpcOrigin.start(name)));
    const [a, b, c] = origins.map(({ port }) => `127.0.0.1:${port}`);
    const yaml = `
listeners: [{ bind: "127.0.0.1:0", upstream: echo }]
upstreams: { echo: { protocol: h2c, servers: [{ address: "${a}", weight: 3 }, "${b}", "${c}"] } }`;
    await using composed = await startComposed(yaml);
    using client = new GrpcClient(composed.port);
    await Promise.all(Array.from({ length: 100 }, () => client.unary("x")));
    assert.deepEqual(
      origins.map(({ seen }) => seen.length),
      [60, 20, 20],
    );
    await Promise.all(origins.map((origin) => origin[Symbol.asyncDispose]()));
  });

  test("limit on what is under way leaves no room for a call", async () => {
    await using origin = await GrpcOrigin.start();
    await using composed = await startComposed(configure([origin.port], "", ", limits: { requests: 1 }"));
    using client = new GrpcClient(composed.port);
    const first = client.download("1 1 open");
    const ended = statusOf(first);
    await new Promise((resolve) => first.once("data", resolve));
    assert.equal((await client.unary("")).code, Status.UNAVAILABLE);
    first.cancel();
    await ended;
    await until("there is room", async () => (await client.unary("")).code === Status.OK);
  });

  test("server that refuses calls is taken out where its statuses are looked at", async () => {
    await using busy = await GrpcOrigin.start("busy", { refuses: "14:busy" });
    await using well = await GrpcOrigin.start("well");
    const passive = ", passive_health: { consecutive_failures: 3, statuses: [502-504], ejection: 1h }";
    await using composed = await startComposed(configure([busy.port, well.port], "", passive));
    using client = new GrpcClient(composed.port);
    for (let i = 0; i < 20; i++) await client.unary("x");
    assert.equal(busy.seen.length, 3);
    assert.equal(well.seen.length, 17);
  });
});
