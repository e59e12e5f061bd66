import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { createAuthority } from "../../../test/kit/certificates.ts";
import { patience, until } from "../../../test/kit/deadline.ts";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { skipWithout } from "../../../test/kit/peer.ts";
import { freePort } from "../../../test/kit/ports.ts";
import { RedisClient, startRedis } from "../../../test/kit/redis.ts";
import { RedisLimitStage, type StagedLimit } from "../../../test/kit/redis-limits.ts";
import { isThenable } from "../../base/errors.ts";
import { monotonicNow } from "../../base/monotonic.ts";
import type { Decision } from "../limiter.ts";

const urlOf = (port: number): string => `redis://127.0.0.1:${port}`;

async function take({ limiter }: StagedLimit, key: string = "a"): Promise<Decision> {
  return { ...(await limiter.take(key, monotonicNow())) };
}

async function takeMany(limit: StagedLimit, count: number, key?: string): Promise<boolean[]> {
  const allowed: boolean[] = [];
  for (let i = 0; i < count; i++) allowed.push((await take(limit, key)).isAllowed);
  return allowed;
}

/** All in one turn of the loop. */
async function takeAtOnce({ limiter }: StagedLimit, count: number): Promise<Decision[]> {
  return await Promise.all(Array.from({ length: count }, () => limiter.take("a", monotonicNow())));
}

function isAtOnce({ limiter }: StagedLimit): boolean {
  return !isThenable(limiter.take("now", monotonicNow()));
}

const skip = skipWithout("redis-server");

describe("a limit in Redis", { skip }, () => {
  test("is one for all threads and processes", async () => {
    const { program, port } = await startRedis();
    await using _ = program;
    using one = new RedisLimitStage(urlOf(port));
    using two = new RedisLimitStage(urlOf(port));
    const limits = [one.limit(), two.limit(), two.limit({}, "another")] as const;
    const seen: boolean[] = [];
    for (let i = 0; i < 8; i++) seen.push((await take(limits[i % 2]!)).isAllowed);
    assert.deepEqual(seen, [true, true, true, true, true, false, false, false]);
    assert.deepEqual(await takeMany(limits[2], 1), [true]);
    assert.deepEqual([limits[0].errors, limits[1].errors, one.events, two.events], [0, 0, [], []]);
  });

  test("asks for all that come together with one question, and lets in exactly as many", async () => {
    const { program, port } = await startRedis();
    await using _ = program;
    using client = await RedisClient.connect(port);
    using stage = new RedisLimitStage(urlOf(port));
    const limit = stage.limit({ limit: 600 });
    await take(limit, "another");
    await client.ask("CONFIG", "RESETSTAT");
    const decisions = await takeAtOnce(limit, 1000);
    assert.equal(decisions.filter(({ isAllowed }) => isAllowed).length, 600);
    assert.deepEqual(
      decisions.slice(0, 600).map(({ remaining }) => remaining),
      Array.from({ length: 600 }, (_, i) => 599 - i),
    );
    assert.ok(decisions.slice(600).every(({ retryAfter }) => retryAfter > 0 && retryAfter <= 60_000));
    // The first one, and those that came meanwhile.
    assert.equal(await questions(client), 2);
  });

  test("asks once a second for a client that is refused and goes on", async () => {
    const { program, port } = await startRedis();
    await using _ = program;
    using client = await RedisClient.connect(port);
    using stage = new RedisLimitStage(urlOf(port));
    const limit = stage.limit();
    await takeMany(limit, 6);
    await client.ask("CONFIG", "RESETSTAT");
    const now = monotonicNow();
    for (let i = 0; i < 100; i++) assert.equal((await limit.limiter.take("a", now)).isAllowed, false);
    assert.ok((await questions(client)) <= 1);
    assert.equal((await limit.limiter.take("a", now + 1000)).isAllowed, false);
    assert.ok((await questions(client)) >= 1);
  });

  test("has keys that tell nothing of what is limited, but can be found by who knows it", async () => {
    const { program, port } = await startRedis();
    await using _ = program;
    using stage = new RedisLimitStage(urlOf(port));
    const secret = "secret token\r\n{x}";
    await take(stage.limit(), secret);
    const digits = createHash("sha256").update(secret).digest("hex").slice(0, 32);
    assert.equal(await onlyKey(port), `test:test:fixed_window:${digits}`);
  });

  test("needs few rights", async () => {
    const { program, port } = await startRedis();
    await using _ = program;
    using client = await RedisClient.connect(port);
    const calls = "eval evalsha ping time get set del pexpire lindex llen lpop rpop rpush".split(" ");
    await client.ask("ACL", "SETUSER", "ann", "on", ">pw", "~test:*", ...calls.map((call) => `+${call}`));
    using stage = new RedisLimitStage(`redis://ann:pw@127.0.0.1:${port}`);
    for (const algorithm of ["fixed_window", "sliding_window", "token_bucket"] as const) {
      const limit = stage.limit({ algorithm, window: 50 }, algorithm);
      await takeMany(limit, 6);
      await until("the window is over", async () => (await take(limit)).isAllowed);
      assert.equal(limit.errors, 0);
    }
    assert.deepEqual(stage.events, []);
  });

  test("is counted on a Unix socket, in a database of its own, with a password", async () => {
    await using directory = await createTemporaryDirectory();
    const path = directory.join("redis.sock");
    const { program, port } = await startRedis({ args: ["--unixsocket", path, "--requirepass", "p@ss"] });
    await using _ = program;
    using local = new RedisLimitStage(`redis+unix://:p%40ss@localhost${path}?db=2`);
    using remote = new RedisLimitStage(`redis://:p%40ss@127.0.0.1:${port}/2`);
    assert.deepEqual(await takeMany(local.limit(), 3), [true, true, true]);
    assert.deepEqual(await takeMany(remote.limit(), 3), [true, true, false]);
    assert.deepEqual([local.events, remote.events], [[], []]);
  });

  test("is counted over TLS, with a Redis that can be trusted", async (context) => {
    await using directory = await createTemporaryDirectory();
    const authority = await createAuthority();
    const { cert, key } = await authority.issue();
    const files = [await directory.write("cert", cert), await directory.write("key", key)] as const;
    const port = await freePort();
    const tls = ["--tls-port", `${port}`, "--tls-auth-clients", "no"];
    const redis = await startRedis({
      args: ["--port", "0", ...tls, "--tls-cert-file", files[0], "--tls-key-file", files[1]],
    }).catch(() => null);
    if (redis === null) return context.skip("this redis-server knows no TLS");
    await using _ = redis.program;
    const url = `rediss://127.0.0.1:${port}`;
    using wary = new RedisLimitStage(url);
    await takeMany(wary.limit(), 1);
    assert.deepEqual(wary.events, ["away"]);
    assert.match(wary.reasons[0]!, /certificate/);
    const known = getCACertificates("default");
    setDefaultCACertificates([...known, authority.cert]);
    using stage = new RedisLimitStage(url);
    const limit = stage.limit();
    assert.deepEqual(await takeMany(limit, 6), [true, true, true, true, true, false]);
    setDefaultCACertificates(known);
    assert.deepEqual([stage.events, limit.errors], [[], 0]);
  });

  test("is made once for all places that name it, and not for what is under way", () => {
    using stage = new RedisLimitStage("redis://127.0.0.1:1");
    assert.equal(stage.limit().limiter, stage.limit().limiter);
    assert.throws(() => stage.limit({ algorithm: "concurrency" }, "other"), RangeError);
  });
});

async function questions(client: RedisClient): Promise<number> {
  const stats = String(await client.ask("INFO", "commandstats"));
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

async function onlyKey(port: number): Promise<string> {
  using client = await RedisClient.connect(port);
  return String(await client.ask("RANDOMKEY"));
}

describe("a limit whose Redis is in trouble", { skip }, () => {
  test("goes on when scripts and counts are forgotten", async () => {
    const { program, port } = await startRedis();
    await using _ = program;
    using client = await RedisClient.connect(port);
    using stage = new RedisLimitStage(urlOf(port));
    const limit = stage.limit();
    await takeMany(limit, 3);
    await client.ask("SCRIPT", "FLUSH");
    assert.deepEqual(await takeMany(limit, 3), [true, true, false]);
    await client.ask("SCRIPT", "FLUSH");
    await client.ask("FLUSHALL");
    await until("the refusal is over", async () => (await take(limit)).isAllowed);
    assert.deepEqual(await takeMany(limit, 5), [true, true, true, true, false]);
    assert.deepEqual([stage.events, limit.errors], [[], 0]);
  });

  test("decides itself where a key holds something else", async () => {
    const { program, port } = await startRedis();
    await using _ = program;
    using client = await RedisClient.connect(port);
    using stage = new RedisLimitStage(urlOf(port));
    const limit = stage.limit();
    await take(limit);
    const key = await onlyKey(port);
    await client.ask("DEL", key);
    await client.ask("LPUSH", key, "x");
    // One was let in by Redis before, which counts here too.
    assert.deepEqual(await takeMany(limit, 5), [true, true, true, true, false]);
    assert.equal(limit.errors, 5);
    assert.equal(stage.events.length, 5);
    assert.match(stage.events[0]!, /^error WRONGTYPE/);
    assert.deepEqual(await takeMany(limit, 6, "b"), [true, true, true, true, true, false]);
    assert.equal(limit.errors, 5);
  });

  test("decides itself when it isn't let in", async () => {
    const { program, port } = await startRedis({ args: ["--requirepass", "secret"] });
    await using _ = program;
    for (const user of ["", ":wrong@"]) {
      using stage = new RedisLimitStage(`redis://${user}127.0.0.1:${port}`);
      const limit = stage.limit();
      assert.deepEqual(await takeMany(limit, 6), [true, true, true, true, true, false]);
      assert.equal(limit.errors, 6);
      assert.deepEqual(stage.events, ["away"]);
      assert.match(stage.reasons[0]!, /NOAUTH|WRONGPASS/);
      assert.ok(isAtOnce(limit));
    }
  });

  test("decides itself when nobody is there, and tells so", async () => {
    for (const host of ["127.0.0.1", "localhost"]) {
      using stage = new RedisLimitStage(`redis://${host}:${await freePort()}`);
      const limit = stage.limit();
      assert.deepEqual(await takeMany(limit, 6), [true, true, true, true, true, false]);
      assert.deepEqual([limit.errors, stage.events], [6, ["away"]]);
      assert.match(stage.reasons[0]!, /ECONNREFUSED/);
    }
  });

  test("decides itself when it speaks another protocol, and when the URL is none", async () => {
    const { program, port } = await startRedis();
    await using _ = program;
    for (const url of [`rediss://127.0.0.1:${port}`, `redis://127.0.0.1:${port}/x`]) {
      using stage = new RedisLimitStage(url, 50);
      assert.deepEqual(await takeMany(stage.limit(), 6), [true, true, true, true, true, false]);
      assert.deepEqual(stage.events, ["away"]);
    }
  });

  test("decides itself while it hangs, keeps nobody waiting twice, and asks again when it answers", async () => {
    const { program, port } = await startRedis();
    await using _ = program;
    using stage = new RedisLimitStage(urlOf(port), 100);
    const limit = stage.limit({ limit: 1000 });
    await stage.begun;
    await until("Redis answers in time", async () => (await take(limit)) && limit.errors === 0);
    program.signal("SIGSTOP");
    const start = performance.now();
    const decisions = await takeAtOnce(limit, 20);
    assert.ok(performance.now() - start < patience / 2);
    assert.ok(decisions.every(({ isAllowed }) => isAllowed));
    assert.ok(isAtOnce(limit));
    assert.deepEqual(stage.events, ["away"]);
    assert.match(stage.reasons[0]!, /100 ms/);
    program.signal("SIGCONT");
    await until("Redis is back", () => stage.events.at(-1) === "back");
    const errors = limit.errors;
    await until("Redis decides", async () => (await take(limit)) && limit.errors === errors);
  });

  test("knows what Redis has let in when it has to decide, and finds it when it comes late", async () => {
    const port = await freePort();
    using stage = new RedisLimitStage(urlOf(port));
    const limit = stage.limit();
    await stage.begun;
    assert.deepEqual([stage.events, isAtOnce(limit)], [["away"], true]);
    const first = await startRedis({ port });
    await using _first = first.program;
    await until("Redis is found", () => stage.events.at(-1) === "back");
    assert.deepEqual(await takeMany(limit, 3), [true, true, true]);
    const before = limit.errors;
    first.program.kill();
    await until("Redis is gone", () => stage.events.at(-1) === "away");
    assert.deepEqual(await takeMany(limit, 3), [true, true, false]);
    assert.equal(limit.errors, before + 3);
  });
});

test("Redis that is killed and started again under load loses no request", { skip }, async () => {
  const port = await freePort();
  const timeout = 1000;
  using stage = new RedisLimitStage(urlOf(port), timeout);
  const limit = stage.limit({ algorithm: "sliding_window", limit: 1_000_000_000, window: 1000 });
  let isOver = false;
  let decided = 0;
  let slowest = 0;
  const client = async (name: string): Promise<void> => {
    while (!isOver) {
      const start = performance.now();
      const { isAllowed } = await limit.limiter.take(name, monotonicNow());
      slowest = Math.max(slowest, performance.now() - start);
      assert.equal(isAllowed, true);
      decided++;
      await turn();
    }
  };
  let redis = await startRedis({ port });
  const clients = Array.from({ length: 50 }, (_, i) => client(`${i % 10}`));
  for (let round = 0; round < 3; round++) {
    await until("Redis is asked", () => stage.events.at(-1) !== "away");
    const errors = limit.errors;
    const before = decided;
    await until("Redis decides", () => decided > before + 200);
    if (round > 0) assert.ok(limit.errors - errors < 200, "Redis has decided");
    redis.program.kill();
    await redis.program.exit();
    await until("this process decides", () => stage.events.at(-1) === "away");
    const then = decided;
    await until("it goes on", () => decided > then + 200);
    redis = await startRedis({ port });
    await until("Redis is back", () => stage.events.at(-1) === "back");
  }
  isOver = true;
  await Promise.all(clients);
  await redis.program[Symbol.asyncDispose]();
  assert.ok(slowest < timeout + patience / 2, `${slowest} ms`);
  assert.ok(limit.errors > 600, "some were decided here");
});
