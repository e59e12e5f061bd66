import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { skipWithout } from "../../../test/kit/peer.ts";
import type { RunningProgram } from "../../../test/kit/process.ts";
import { startRedis } from "../../../test/kit/redis.ts";
import { idleAlarms } from "../../base/alarms.ts";
import { seededRandom } from "../../base/random.ts";
import { RedisLink } from "../../net/redis/redis-link.ts";
import { allocateLimiterMemory, createLimiter } from "../create-limiter.ts";
import { LimitCounts } from "../limit-counts.ts";
import { countsOf } from "../limit-memory.ts";
import { type RateSettings, testRateLimiter } from "../limiter.contract.ts";
import type { Limiter } from "../limiter.ts";
import { RedisLimiter } from "./redis-limiter.ts";
import { createLimitScript, type LimitScript } from "./scripts.ts";

const ALGORITHMS = ["fixed_window", "sliding_window", "token_bucket"] as const;

/** The time is one of the script's numbers, the last one before those that want in. */
const GIVEN_TIME = `
local now = tonumber(ARGV[#ARGV - 1])`;

function timedScript(settings: RateSettings, clock: { now: number }): LimitScript {
  const script = createLimitScript(settings, GIVEN_TIME);
  return {
    ...script,
    get numbers(): readonly string[] {
      return [...script.numbers, `${clock.now * 1000}`];
    },
  };
}

let link: RedisLink;
let made = 0;

function makeLimiter(settings: RateSettings): Limiter {
  const memory = allocateLimiterMemory(settings, 1);
  const clock = { now: 0 };
  const limiter = new RedisLimiter({
    limit: settings.limit,
    script: timedScript(settings, clock),
    prefix: `test ${made++}`,
    timeout: 10_000,
    local: createLimiter(settings, memory, 0),
    ...{ link, counts: new LimitCounts(countsOf(memory), 0), clock: idleAlarms },
    onError: (message) => assert.fail(message),
  });
  return {
    take(key, now) {
      clock.now = now;
      return limiter.take(key, now);
    },
  };
}

const ask = (...words: string[]): Promise<unknown> => link.ask(words);

/** Asks for several at once. */
async function run(settings: RateSettings, key: string, now: number, wanted: number): Promise<unknown> {
  const { source, numbers } = timedScript(settings, { now });
  const reply = (await ask("EVAL", source, "1", key, ...numbers, `${wanted}`)) as number[];
  return reply.map((number, i) => (i < 2 ? number : number / 1000));
}

const base = { limit: 10, window: 1000, burst: 10, mostKeys: 10 };

describe("limits counted in Redis", { skip: skipWithout("redis-server") }, () => {
  let program: RunningProgram;

  before(async () => {
    const redis = await startRedis();
    program = redis.program;
    const means = { clock: idleAlarms, random: seededRandom("a") };
    link = new RedisLink(`redis://127.0.0.1:${redis.port}`, { ...means, onAway: assert.fail, onBack() {} });
    await link.begun;
  });

  after(async () => {
    link.close();
    await program[Symbol.asyncDispose]();
  });

  for (const algorithm of ALGORITHMS) testRateLimiter(algorithm, makeLimiter, { seconds: 6, runs: 20 });

  test("are taken by several requests at once as by one after the other", async () => {
    const fixed: RateSettings = { ...base, algorithm: "fixed_window" };
    assert.deepEqual(await run(fixed, "f", 5000, 7), [7, 3, 1000, 0]);
    assert.deepEqual(await run(fixed, "f", 5400, 7), [3, 0, 600, 600]);
    assert.deepEqual(await run(fixed, "f", 6000, 11), [10, 0, 1000, 1000]);
    const sliding: RateSettings = { ...base, algorithm: "sliding_window" };
    assert.deepEqual(await run(sliding, "s", 5000, 7), [7, 3, 1000, 0]);
    assert.deepEqual(await run(sliding, "s", 5400, 7), [3, 0, 1000, 600]);
    assert.deepEqual(await run(sliding, "s", 6000, 11), [7, 0, 1000, 400]);
    const bucket: RateSettings = { ...base, algorithm: "token_bucket" };
    assert.deepEqual(await run(bucket, "t", 5000, 7), [7, 3, 700, 0]);
    assert.deepEqual(await run(bucket, "t", 5000, 7), [3, 0, 1000, 100]);
    assert.deepEqual(await run(bucket, "t", 5250, 7), [2, 0, 950, 50]);
  });

  test("remember a large sliding window in groups", async () => {
    const settings: RateSettings = { ...base, algorithm: "sliding_window", limit: 1_000_000 };
    assert.deepEqual(await run(settings, "g", 5000, 999_999), [999_999, 1, 1000, 0]);
    assert.deepEqual(await run(settings, "g", 5500, 10), [1, 0, 1000, 500]);
    assert.ok(((await ask("LLEN", "g")) as number) <= 129);
    const [granted] = (await run(settings, "g", 6000, 2_000_000)) as [number];
    assert.ok(granted > 1_000_000 * (1 - 1 / 100) && granted < 1_000_000, `${granted}`);
  });

  test("leave keys that go by themselves, soon after they mean nothing any more", async () => {
    for (const algorithm of ALGORITHMS) {
      const settings: RateSettings = { ...base, algorithm, window: 60_000 };
      await run(settings, algorithm, 5000, 10);
      const left = (await ask("PTTL", algorithm)) as number;
      assert.ok(left > 40_000 && left <= 61_000, `${algorithm}: ${left}`);
    }
  });

  test("begin anew where a key holds nonsense of the right kind", async () => {
    await ask("SET", "nonsense", "x y");
    await ask("RPUSH", "nonsense list", "x");
    const settings = (algorithm: RateSettings["algorithm"]): RateSettings => ({ ...base, algorithm });
    assert.deepEqual(await run(settings("fixed_window"), "nonsense", 5000, 1), [1, 9, 1000, 0]);
    await ask("SET", "nonsense", "x y");
    assert.deepEqual(await run(settings("token_bucket"), "nonsense", 5000, 1), [1, 9, 100, 0]);
    assert.deepEqual(await run(settings("sliding_window"), "nonsense list", 5000, 1), [1, 9, 1000, 0]);
  });

  test("bear a Redis whose clock was set back", async () => {
    for (const algorithm of ALGORITHMS) {
      const settings: RateSettings = { ...base, algorithm };
      await run(settings, `back ${algorithm}`, 9000, 10);
      const reply = (await run(settings, `back ${algorithm}`, 5000, 1)) as number[];
      assert.equal(reply[0], 0, algorithm);
      assert.ok(Math.max(...reply) <= 1000, `${algorithm}: ${reply}`);
    }
  });
});
