import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { VALUE_FORMAT } from "../../src/cache/stores/redis/redis-value.ts";
import type { RedisReport } from "../../src/control/caches.ts";
import { until } from "../kit/deadline.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { skipWithout } from "../kit/peer.ts";
import { freePort } from "../kit/ports.ts";
import type { RunningProgram } from "../kit/process.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { RedisClient, startRedis } from "../kit/redis.ts";
import { Reloading } from "./reloading.ts";
import { get } from "./sluice.ts";

/** An origin of which each answer is another one, with or without a length. */
async function startPages(): Promise<Origin> {
  const origin = await startOrigin();
  let answers = 0;
  for (const path of ["/a", "/b", "/long", "/chunked"])
    origin.handle(path, ({ response }) => {
      response.setHeader("Cache-Control", "max-age=60");
      response.setHeader("Cache-Tag", "news");
      if (path === "/chunked") response.setHeader("Transfer-Encoding", "chunked");
      response.end(`answer ${++answers}${path === "/long" ? " ".repeat(5000) : ""}`);
    });
  return origin;
}

describe("caches that share a Redis", { skip: skipWithout("redis-server") }, () => {
  let origin: Origin;
  let redis: RunningProgram;
  let port = 0;
  let one: Reloading;
  let other: Reloading;

  const configuration = (cache: string): string => `
caches: { pages: ${cache} }
listeners:
  - { bind: "127.0.0.1:0", cache: { use: pages, purge_from: 127.0.0.1 }, upstream: "${origin.address}" }
`;
  const shared = (): string =>
    `{ memory: 4MiB, redis: { url: "redis://127.0.0.1:${port}", timeout: 5s, largest_body: 1k } }`;

  before(async () => {
    origin = await startPages();
    port = await freePort();
    // It comes later than the others begin.
    one = await Reloading.start(configuration(shared()), 0);
    other = await Reloading.start(configuration(shared()), 0);
    assert.equal((await ask(one, "/a")).status, "stored");
    await startAgain();
  });

  after(async () => {
    await one[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    await redis[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
  });

  const stateOf = ({ running }: Reloading): RedisReport | null => running.caches.list()[0]!.redis;

  /** Kept when Redis has the page: it comes there by another connection than it is asked for. */
  async function arrived(path: string): Promise<void> {
    const digits = createHash("sha256").update(`http://a.example${path}`).digest("hex").slice(0, 32);
    using client = await RedisClient.connect(port);
    const key = `sluice:cache:pages:e${VALUE_FORMAT}:${digits}`;
    await until("Redis has it", async () => (await client.ask("EXISTS", key)) === "1", { every: 1 });
  }

  async function startAgain(): Promise<void> {
    redis = (await startRedis({ port })).program;
    for (const machine of [one, other]) await until("it is found", () => findsRedis(machine));
  }

  let questions = 0;

  /** Whoever answers requests has another way there than whoever tells of it. */
  async function findsRedis(machine: Reloading): Promise<boolean> {
    const { counts, isAway } = stateOf(machine)!;
    await ask(machine, `/nothing?${++questions}`);
    return !isAway && stateOf(machine)!.counts.errors === counts.errors;
  }

  async function ask(
    machine: Reloading,
    path: string,
    method = "GET",
  ): Promise<{ body: string; status: string }> {
    await using client = await connectRaw(machine.port(0));
    const request = `${method} ${path} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n`;
    const response = await client.exchange(request, { method });
    const status =
      /hit|stored|stale/.exec(response.header("cache-status") ?? "")?.[0] ?? `${response.status}`;
    return { body: response.body.toString().trim(), status };
  }

  /** What a machine answers, until that is something else. */
  async function changes(machine: Reloading, path: string, from: string): Promise<void> {
    await until(`${path} is another one`, async () => (await ask(machine, path)).body !== from);
  }

  /** Both have the same in their memories. */
  async function share(path: string): Promise<string> {
    const { body } = await ask(one, path);
    await arrived(path);
    assert.equal((await ask(other, path)).body, body);
    return body;
  }

  test("ask the server once for all machines, also for what comes without a length", async () => {
    for (const path of ["/b", "/chunked"]) {
      const first = await ask(one, path);
      assert.equal(first.status, "stored");
      await arrived(path);
      assert.deepEqual(await ask(other, path), { body: first.body, status: "hit" });
    }
    assert.equal(stateOf(other)!.counts.found, 2);
    // Longer than what is shared.
    const long = await ask(one, "/long");
    assert.deepEqual(await ask(one, "/long"), { ...long, status: "hit" });
    assert.equal((await ask(other, "/long")).status, "stored");
  });

  test("hear of purges and of changes on any machine", async () => {
    const first = await share("/b");
    assert.equal((await ask(one, "/b", "PURGE")).status, "200");
    await changes(other, "/b", first);
    const second = await share("/b");
    assert.equal((await ask(other, "/b", "POST")).status, "200");
    await changes(one, "/b", second);
    const third = await share("/b");
    const purge = { by: "tag", text: "news", isSoft: false } as const;
    assert.deepEqual(await one.running.caches.purge("pages", purge), { found: null, isEverywhere: true });
    await changes(other, "/b", third);
    const fourth = await share("/b");
    const all = { by: "all", text: "", isSoft: false } as const;
    await other.running.caches.purge("pages", all);
    await changes(one, "/b", fourth);
  });

  test("go on without it, and hear of what they missed when it is back", async () => {
    const first = await share("/b");
    redis.kill();
    await redis.exit();
    await until("it is away", () => stateOf(one)!.isAway && stateOf(other)!.isAway);
    assert.deepEqual(await ask(other, "/b"), { body: first, status: "hit" });
    const purge = { by: "url", text: "http://a.example/b", isSoft: false } as const;
    assert.deepEqual(await one.running.caches.purge("pages", purge), { found: true, isEverywhere: false });
    assert.notEqual((await ask(one, "/b")).body, first);
    assert.deepEqual(await ask(other, "/b"), { body: first, status: "hit" });
    await startAgain();
    await changes(other, "/b", first);
    assert.equal((await get(other.port(0), "/b")).status, 200);
  });

  test("are shared, and no more, by a reload, and keep what they have", async () => {
    const first = await share("/b");
    assert.deepEqual((await other.reload(configuration("4MiB"))).notes, []);
    assert.equal(stateOf(other), null);
    assert.deepEqual(await ask(other, "/b"), { body: first, status: "hit" });
    await ask(one, "/b", "PURGE");
    assert.deepEqual(await ask(other, "/b"), { body: first, status: "hit" });
    // What it may have missed meanwhile, it asks about.
    await other.reload(configuration(shared()));
    await changes(other, "/b", first);
  });
});
