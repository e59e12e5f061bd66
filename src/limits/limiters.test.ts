import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { until } from "../../test/kit/deadline.ts";
import {
  allocateLimiterMemory,
  allocateLimitMemory,
  createLimiter,
  forgetThread,
  type NamedLimiterSettings,
  nextLimitMemory,
} from "./create-limiter.ts";
import { LimitCount, LimitCounts } from "./limit-counts.ts";
import { countsOf } from "./limit-memory.ts";
import { testRateLimiter } from "./limiter.contract.ts";
import type { LimitAlgorithm, LimiterSettings } from "./limiter-settings.ts";
import type { LocalLimiter } from "./local-limiter.ts";

const RATES = ["fixed_window", "sliding_window", "token_bucket"] as const;
const ALL: readonly LimitAlgorithm[] = [...RATES, "concurrency"];

function settingsOf(algorithm: LimitAlgorithm, changes: Partial<LimiterSettings> = {}): LimiterSettings {
  return { algorithm, limit: 5, window: 60_000, burst: 5, mostKeys: 1000, ...changes };
}

function make(settings: LimiterSettings, threads = 1): LocalLimiter {
  return createLimiter(settings, allocateLimiterMemory(settings, threads), 0);
}

for (const algorithm of RATES) testRateLimiter(algorithm, (settings) => make(settings));

describe("a sliding window", () => {
  test("never lets in more than its limit in any window, though it remembers groups", () => {
    for (const limit of [129, 700, 1000, 1280]) {
      const limiter = make(settingsOf("sliding_window", { limit, window: 1000 }));
      const allowed: number[] = [];
      // Pressure that comes in waves, so that groups are of very different lengths.
      for (let at = 0; at < 6000; at += at % 700 < 350 ? 0.2 : 1.7) {
        if (limiter.take("a", at).isAllowed) allowed.push(at);
      }
      for (let i = limit; i < allowed.length; i++) {
        assert.ok(
          allowed[i]! - allowed[i - limit]! >= 1000,
          `${limit + 1} within ${allowed[i]! - allowed[i - limit]!} ms`,
        );
      }
      assert.ok(allowed.length > 5.9 * limit, `only ${allowed.length} for a limit of ${limit}`);
    }
  });

  test("forgets single requests of groups that never get full", () => {
    const limiter = make(settingsOf("sliding_window", { limit: 1000, window: 1000 }));
    for (let at = 0; at < 100_000; at += 400) assert.ok(limiter.take("a", at).remaining >= 1000 - 16);
    assert.equal(limiter.take("a", 200_000).remaining, 999);
  });
});

describe("when a limit is set differently", () => {
  function next(before: NamedLimiterSettings, changes: Partial<NamedLimiterSettings>, taken: number) {
    const old = allocateLimitMemory([before], 1);
    const limiter = createLimiter(before, old["l"]!, 0);
    for (let i = 0; i < taken; i++) limiter.take("a", 1_000);
    new LimitCounts(countsOf(old["l"]!), 0).add(LimitCount.refused);
    const after = { ...before, ...changes };
    const { memories, begunAnew, inheritSums } = nextLimitMemory([before], old, [after], 1);
    inheritSums();
    const { refused } = new LimitCounts(countsOf(memories["l"]!), 0).totals;
    assert.equal(refused, 1, "sums go on whatever becomes of the rest");
    return { begunAnew, limiter: createLimiter(after, memories["l"]!, 0) };
  }

  const limitOf = (algorithm: LimitAlgorithm): NamedLimiterSettings => ({
    ...settingsOf(algorithm, { limit: 4, burst: 4 }),
    ...{ name: "l", key: ["client"] },
  });

  for (const algorithm of ["fixed_window", "concurrency", "token_bucket"] as const) {
    test(`${algorithm} counts on by another limit`, () => {
      const { begunAnew, limiter } = next(limitOf(algorithm), { limit: 6, burst: 6 }, 4);
      assert.deepEqual(begunAnew, []);
      const allowed = Array.from({ length: 8 }, () => limiter.take("a", 1_000).isAllowed);
      assert.equal(allowed.filter(Boolean).length, 2 + (algorithm === "token_bucket" ? -2 : 0));
    });
  }

  test("a bucket that became smaller is empty at the most", () => {
    const before = { ...limitOf("token_bucket"), limit: 60, burst: 600 };
    const { limiter } = next(before, { burst: 2 }, 600);
    assert.equal(limiter.take("a", 1_000).isAllowed, false);
    assert.equal(limiter.take("a", 2_001).isAllowed, true);
  });

  test("a sliding window counts on by the same limit only", () => {
    const same = next(limitOf("sliding_window"), { key: ["client"] }, 4);
    assert.deepEqual([same.begunAnew, same.limiter.take("a", 1_000).isAllowed], [[], false]);
    const other = next(limitOf("sliding_window"), { limit: 3 }, 4);
    assert.deepEqual([other.begunAnew, other.limiter.take("a", 1_000).isAllowed], [["l"], true]);
  });

  test("other keys, more of them or another algorithm begin anew", () => {
    const changes = [{ key: [] }, { mostKeys: 2_000 }, { algorithm: "concurrency" }] as const;
    for (const change of changes) assert.deepEqual(next(limitOf("fixed_window"), change, 4).begunAnew, ["l"]);
  });
});

describe("a token bucket", () => {
  test("lets a burst in at once, and then what flows in", () => {
    const limiter = make(settingsOf("token_bucket", { limit: 10, window: 1000, burst: 20 }));
    let allowed = 0;
    for (let at = 0; at < 1000; at++) if (limiter.take("a", at).isAllowed) allowed++;
    assert.equal(allowed, 20 + 9);
    assert.equal(limiter.take("a", 1000).isAllowed, true);
  });
});

describe("concurrency", () => {
  const settings = settingsOf("concurrency", { limit: 2 });

  test("lets in so many at once", () => {
    const limiter = make(settings);
    const seen = [0, 0, 0].map((now) => ({ ...limiter.take("a", now) }));
    assert.deepEqual(
      seen.map(({ isAllowed, remaining }) => [isAllowed, remaining]),
      [
        [true, 1],
        [true, 0],
        [false, 0],
      ],
    );
    assert.ok(seen[2]!.retryAfter > 0);
    assert.equal(limiter.take("b", 0).isAllowed, true);
    limiter.release?.("a");
    assert.deepEqual([limiter.take("a", 0).isAllowed, limiter.take("a", 0).isAllowed], [true, false]);
  });

  test("never counts below nothing, nor what it doesn't know", () => {
    const limiter = make(settings);
    for (let i = 0; i < 5; i++) limiter.release?.("a");
    limiter.take("a", 0);
    for (let i = 0; i < 5; i++) limiter.release?.("a");
    const allowed = [1, 2, 3].map((now) => limiter.take("a", now).isAllowed);
    assert.deepEqual(allowed, [true, true, false]);
  });

  test("takes back what a dead thread had, and nothing of the others", () => {
    const memory = allocateLimiterMemory(settings, 2);
    const [one, two] = [createLimiter(settings, memory, 0), createLimiter(settings, memory, 1)];
    one.take("a", 0);
    two.take("a", 0);
    one.take("b", 0);
    assert.equal(one.take("a", 0).isAllowed, false);
    createLimiter(settings, memory, 2).forgetThread?.(1);
    assert.deepEqual([one.take("a", 0).remaining, one.take("b", 0).remaining], [0, 0]);
    // What the dead one had is not given back twice.
    two.release?.("a");
    assert.equal(two.take("a", 0).isAllowed, false);
  });

  test("lets keys without requests make room first", () => {
    const limiter = make(settingsOf("concurrency", { limit: 1, mostKeys: 16 }));
    for (let i = 0; i < 8; i++) limiter.take(`busy ${i}`, i);
    for (let i = 0; i < 1000; i++) {
      limiter.take(`idle ${i}`, 100 + i);
      limiter.release?.(`idle ${i}`);
    }
    for (let i = 0; i < 8; i++) assert.equal(limiter.take(`busy ${i}`, 2000).isAllowed, false);
  });

  test("is balanced after any number of requests", () => {
    const limiter = make(settingsOf("concurrency", { limit: 40, mostKeys: 64 }));
    const under: string[] = [];
    for (let i = 0; i < 20_000; i++) {
      const key = `k${(i * 7919) % 50}`;
      if (limiter.take(key, i).isAllowed) under.push(key);
      if (i % 3 !== 0) limiter.release?.(under.splice((i * 31) % under.length, 1)[0]!);
    }
    for (const key of under) limiter.release?.(key);
    for (let i = 0; i < 50; i++) assert.equal(limiter.take(`k${i}`, 30_000).remaining, 39);
  });
});

describe("the keys of a limit", () => {
  for (const algorithm of ALL) {
    test(`a million take no more memory (${algorithm})`, () => {
      const settings = settingsOf(algorithm, { limit: 2, burst: 2, window: 1e9, mostKeys: 4096 });
      const memory = allocateLimiterMemory(settings, 1);
      const limiter = createLimiter(settings, memory, 0);
      const size = memory.byteLength;
      for (let i = 0; i < 1_000_000; i++) limiter.take(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, i);
      assert.equal(memory.byteLength, size);
      assert.equal(limiter.take("10.15.66.63", 1e6).remaining, 0, "the last one is known");
      assert.equal(limiter.take("10.0.0.1", 1e6).remaining, 1, "the first one is forgotten");
    });
  }

  test("make room in the order they were used", () => {
    const limiter = make(settingsOf("fixed_window", { limit: 1, mostKeys: 16 }));
    for (let i = 0; i < 16; i++) limiter.take(`key ${i}`, i);
    limiter.take("key 0", 16);
    limiter.take("another", 17);
    assert.equal(limiter.take("key 0", 18).isAllowed, false);
    assert.equal(limiter.take("key 1", 19).isAllowed, true);
  });
});

/** Takes as often as it is told to, as one of several threads, and tells how many were let in. */
const WORKER = `
  const { parentPort, workerData } = require("node:worker_threads");
  import(workerData.module).then(({ createLimiter }) => {
    const { settings, memory, thread, gate, takes, keys } = workerData;
    const limiter = createLimiter(settings, memory, thread);
    const word = new Int32Array(gate);
    Atomics.add(word, 0, 1);
    Atomics.notify(word, 0);
    while (Atomics.load(word, 0) < 2);
    let allowed = 0;
    for (let i = 0; i < takes; i++) {
      const key = "key " + (i % keys);
      if (!limiter.take(key, 1000).isAllowed) continue;
      allowed++;
      if (settings.algorithm === "concurrency") limiter.release(key);
    }
    parentPort.postMessage(allowed);
  });
`;

async function takeInThreads(
  settings: LimiterSettings,
  keys: number,
  takes: number,
): Promise<[number, LocalLimiter]> {
  const memory = allocateLimiterMemory(settings, 2);
  const gate = new SharedArrayBuffer(4);
  const allowed = [0, 1].map((thread) => {
    const module = new URL("create-limiter.ts", import.meta.url).href;
    const worker = new Worker(WORKER, {
      eval: true,
      workerData: { settings, memory, thread, gate, takes, keys, module },
    });
    return new Promise<number>((resolve, reject) => worker.once("message", resolve).once("error", reject));
  });
  const [one = 0, two = 0] = await Promise.all(allowed);
  return [one + two, createLimiter(settings, memory, 2)];
}

describe("limits in two threads", () => {
  for (const algorithm of RATES) {
    for (const keys of [1, 100]) {
      test(`let in exactly as many as one would (${algorithm}, ${keys} keys)`, async () => {
        const limit = 60_000 / keys;
        const settings = settingsOf(algorithm, { limit, burst: limit, window: 1e9 });
        const [allowed] = await takeInThreads(settings, keys, 50_000);
        assert.equal(allowed, 60_000);
      });
    }
  }

  test("keep the number of requests under way balanced", async () => {
    const settings = settingsOf("concurrency", { limit: 10 });
    const [allowed, limiter] = await takeInThreads(settings, 3, 100_000);
    assert.equal(allowed, 200_000);
    for (let i = 0; i < 3; i++) assert.equal(limiter.take(`key ${i}`, 2000).remaining, 9);
  });
});

describe("a limit whose threads die", () => {
  test("goes on, and what they had under way is taken back", async () => {
    const settings = settingsOf("concurrency", { limit: 3 });
    const memory = allocateLimiterMemory(settings, 2);
    const module = new URL("create-limiter.ts", import.meta.url).href;
    for (let round = 0; round < 5; round++) {
      const gate = new SharedArrayBuffer(4);
      const takes = Number.MAX_SAFE_INTEGER;
      const workerData = { settings, memory, thread: 1, gate, takes, keys: 1, module };
      const worker = new Worker(WORKER, { eval: true, workerData });
      await until("it takes", () => Atomics.load(new Int32Array(gate), 0) === 1);
      Atomics.store(new Int32Array(gate), 0, 2);
      await until("it is under way", () => createLimiter(settings, memory, 0).take("key 0", round).isAllowed);
      await worker.terminate();
      const living = createLimiter(settings, memory, 0);
      forgetThread([{ ...settings, name: "a", key: [] }], { a: memory }, 1);
      assert.equal(living.take("key 0", round).remaining, 1);
      living.release?.("key 0");
      living.release?.("key 0");
      assert.equal(living.take("key 0", round).remaining, 2);
      living.release?.("key 0");
    }
  });
});

describe("the memory of limits", () => {
  const named = { ...settingsOf("fixed_window"), name: "a", key: ["client"] };

  test("is one for each name", () => {
    const memories = allocateLimitMemory([named, { ...named, name: "b" }, named], 2);
    assert.deepEqual(Object.keys(memories), ["a", "b"]);
    assert.throws(
      () => allocateLimitMemory([named, { ...named, limit: 6 }], 2),
      /two limits "a" that differ/,
    );
  });

  test("is small where all requests are one key", () => {
    const { a, b } = allocateLimitMemory([named, { ...named, name: "b", key: [] }], 2);
    assert.ok(b!.byteLength < a!.byteLength / 10);
  });

  test("isn't made for limits that can't be kept", () => {
    const wrong: Partial<LimiterSettings>[] = [
      { limit: 0 },
      { limit: 1.5 },
      { limit: Number.NaN },
      { window: 0 },
      { window: Number.POSITIVE_INFINITY },
      { burst: 0, algorithm: "token_bucket" },
      { mostKeys: 0 },
    ];
    for (const changes of wrong)
      assert.throws(() => allocateLimiterMemory(settingsOf("fixed_window", changes), 1), RangeError);
    allocateLimiterMemory(settingsOf("concurrency", { window: 0, burst: 0 }), 1);
  });
});
