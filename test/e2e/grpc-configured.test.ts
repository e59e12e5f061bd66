import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Server, status as Status } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { until } from "../kit/deadline.ts";
import { GrpcClient, GrpcOrigin, statusOf } from "../kit/grpc.ts";
import { type Composed, startComposed } from "./composed.ts";
import { startHttp } from "./sluice.ts";

const root = join(import.meta.dirname, "..", "..");

/** A server of the tests' service that tells its health. */
class Greeter implements AsyncDisposable {
  readonly origin: GrpcOrigin;
  readonly health: HealthImplementation;

  static async start(name: string): Promise<Greeter> {
    const server = new Server();
    const health = new HealthImplementation({ "": "SERVING" });
    health.addToServer(server);
    return new Greeter(await GrpcOrigin.start(name, { server }), health);
  }

  private constructor(origin: GrpcOrigin, health: HealthImplementation) {
    this.origin = origin;
    this.health = health;
  }

  get address(): string {
    return `127.0.0.1:${this.origin.port}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.origin[Symbol.asyncDispose]();
  }
}

/** The example, with these values in place of its own. */
function example(values: Readonly<Record<string, string>>): Promise<Composed> {
  const text = readFileSync(join(root, "examples", "grpc.yaml"), "utf8");
  return startComposed(
    text.replace(/\$\{(\w+):-([^}]*)\}/g, (_, name: string, own: string) => values[name] ?? own),
  );
}

/** Which servers answered so many calls, and how often. */
async function shares(client: GrpcClient, calls: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < calls; i++) {
    const { code, metadata } = await client.unary("x");
    const name = code === Status.OK ? String(metadata?.get("x-server")[0]) : `status ${code}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

test("the example of gRPC spreads calls, limits them in time and lets pages call", async () => {
  await using one = await Greeter.start("one");
  await using two = await Greeter.start("two");
  await using composed = await example({
    ...{ BIND: "127.0.0.1:0", SERVICE: "sluice.test.Echo", INTERVAL: "200ms", DEADLINE: "2s" },
    ...{ GREETER1: one.address, GREETER2: two.address },
  });
  using client = new GrpcClient(composed.port);
  // It takes longer than all that follows.
  const late = client.unary("", { "x-wait": "-1" });
  assert.deepEqual(await shares(client, 20), { one: 10, two: 10 });
  const deadlines = [...one.origin.seen, ...two.origin.seen].map(({ deadline }) => Number(deadline));
  assert.ok(deadlines.every((deadline) => deadline < Date.now() + 2_500));

  one.health.setStatus("", "NOT_SERVING");
  await until("the first server is out", async () => (await shares(client, 4))["one"] === undefined);
  one.health.setStatus("", "SERVING");
  await until("the first server is back", async () => (await shares(client, 4))["one"] === 2);

  const call = (path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${composed.port}${path}`, {
      method: "POST",
      headers: { "content-type": "application/grpc-web-text", origin: "https://app.example" },
      body: "AAAAAAE=eA==",
    });
  const answer = await call("/sluice.test.Echo/Unary");
  assert.equal(answer.headers.get("access-control-allow-origin"), "https://app.example");
  assert.match(await answer.text(), /^AAAAAAF4/);
  const other = await call("/sluice.test.Other/Unary");
  assert.equal(other.headers.get("grpc-status"), String(Status.UNIMPLEMENTED));
  assert.equal(other.headers.get("access-control-expose-headers"), "*");

  const { code, details } = await late;
  assert.deepEqual([code, details], [Status.DEADLINE_EXCEEDED, "Deadline exceeded"]);
});

test("sluice http --protocol h2c carries calls", async () => {
  await using one = await Greeter.start("one");
  await using two = await Greeter.start("two");
  await using sluice = await startHttp([one.address, two.address], "--protocol", "h2c", "--threads", "0");
  using client = new GrpcClient(sluice.port);
  assert.deepEqual(await shares(client, 10), { one: 5, two: 5 });
});

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
