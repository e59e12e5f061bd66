import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { type Balancer, startBalancer } from "./balancer.ts";

interface Place {
  readonly name: string;
  readonly requests: number;
  readonly connections: number;
  readonly statuses: { readonly codes: Readonly<Record<string, number>> };
  readonly latency: { readonly count: number };
}

/** One process for all of this file. */
let origin: Origin;
let balancer: Balancer;

before(async () => {
  origin = await startOrigin({ name: "a" });
  const route = ["name: everything"];
  balancer = await startBalancer({ threads: 2, servers: [origin.address], route, listener: ["name: web"] });
});

after(async () => {
  await balancer[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

async function places(): Promise<Record<"listeners" | "routes" | "upstreams", Place[]>> {
  return (await balancer.ask("GET", "/stats")) as never;
}

test("what passes all threads is counted once at each place", async () => {
  assert.deepEqual(await balancer.shares(20), { a: 20 });
  assert.deepEqual(await balancer.shares(5, "/nowhere"), { a: 5 });
  const { listeners, routes, upstreams } = await places();
  for (const [list, name] of [
    [listeners, "web"],
    [routes, "everything"],
    [upstreams, "api"],
  ] as const) {
    const [place] = list;
    assert.deepEqual([list.length, place?.name, place?.requests, place?.latency.count], [1, name, 25, 25]);
    assert.deepEqual(place?.statuses.codes, { 200: 20, 404: 5 });
  }
  assert.equal(listeners[0]?.connections, 25);
});

test("paths and clients are told, and what they send does nothing to a terminal", async () => {
  await using client = await connectRaw(balancer.sluice.port);
  const answer = await client.exchange("GET /\u009b31m HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  assert.equal(answer.status, 400);
  const { entries, total } = (await balancer.ask("GET", "/stats/top?by=path")) as {
    readonly total: number;
    readonly entries: readonly { readonly path: string; readonly count: number }[];
  };
  assert.ok(total >= 25);
  assert.deepEqual(
    entries.slice(0, 2).map(({ path, count }) => [path, count]),
    [
      ["/", 20],
      ["/nowhere", 5],
    ],
  );
});

describe("sluice top", () => {
  test("prints all of it once", async () => {
    const { code, stdout, stderr } = await balancer.run("top", "--once", "--window", "60s");
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^http:\S+ {2}up \d+s {2}last 60s\n/);
    assert.match(stdout, /^LISTENER +REQ\/S .*\nweb +[\d.]+/m);
    assert.match(stdout, /^web everything +[\d.]+/m);
    assert.match(stdout, /^CLIENT +.*\n127\.0\.0\.1 +- +\d+ +0 +100%/m);
    assert.match(stdout, /^\/nowhere +- +5 +0 +\d/m);
    assert.ok(!stdout.includes("\u001b"), "there is no terminal");
  });

  test("prints JSON", async () => {
    const { stdout } = await balancer.run("top", "--json");
    const { stats, clients } = JSON.parse(stdout);
    assert.equal(stats.upstreams[0].name, "api");
    assert.equal(clients.entries[0].key, "127.0.0.1");
  });

  test("says what it needs when nobody answers", async () => {
    const { code, stderr } = await balancer.run("top", "--once", "--token", "wrong");
    assert.equal(code, 1);
    assert.match(stderr, /^Failed to ask for the traffic: HTTP 401: A bearer token is needed\n$/);
  });
});
