import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Server, status as Status } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { until } from "../kit/deadline.ts";
import { GrpcClient, GrpcOrigin } from "../kit/grpc.ts";
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
  await using sluice = await startHttp([one.address, two.address], "--protocol", "h2c", "--threads", "1");
  using client = new GrpcClient(sluice.port);
  assert.deepEqual(await shares(client, 10), { one: 5, two: 5 });
});
