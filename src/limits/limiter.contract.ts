import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Decision, Limiter } from "./limiter.ts";
import type { LimiterSettings } from "./limiter-settings.ts";

export type RateSettings = LimiterSettings & {
  readonly algorithm: "fixed_window" | "sliding_window" | "token_bucket";
};

/** Makes a limiter that has counted nothing. */
export type MakeLimiter = (settings: RateSettings) => Limiter | Promise<Limiter>;

/** What of a run is known afterwards: when requests came, and which of them were let in. */
interface Arrival {
  readonly at: number;
  readonly isAllowed: boolean;
}

/** Some moment of a machine that runs for days. */
const START = 123_456_789.125;

const base = { limit: 5, window: 60_000, burst: 5, mostKeys: 1000 } as const;

/** How much is tried: a limiter that asks another program takes its time for each request. */
export interface Effort {
  /** Of a steady rate. */
  readonly seconds: number;
  /** Ways in which requests may come. */
  readonly runs: number;
}

const thorough: Effort = { seconds: 10, runs: 60 };

/** What holds for whatever limits a rate, wherever its counts stand. */
export function testRateLimiter(
  algorithm: RateSettings["algorithm"],
  make: MakeLimiter,
  effort: Effort = thorough,
): void {
  const settings: RateSettings = { ...base, algorithm };
  describe(`${algorithm} as a limiter`, () => {
    testDecisions(settings, make);
    testTimes(settings, make);
    testSteadyRate(settings, make, effort);
    testArrivals(settings, make, effort);
  });
}

/** Read at once, before the limiter uses the decision again. */
function allows(limiter: Limiter, now: number): boolean | Promise<boolean> {
  const decision = limiter.take("a", now);
  return decision instanceof Promise ? decision.then(({ isAllowed }) => isAllowed) : decision.isAllowed;
}

async function takeMany(limiter: Limiter, count: number, now: number, key = "a"): Promise<boolean[]> {
  const allowed: boolean[] = [];
  for (let i = 0; i < count; i++) allowed.push((await limiter.take(key, now)).isAllowed);
  return allowed;
}

function testDecisions(settings: RateSettings, make: MakeLimiter): void {
  test("lets in as many as the limit says, and tells how many are left", async () => {
    const limiter = await make(settings);
    const seen: (readonly [boolean, number])[] = [];
    for (let i = 0; i < 7; i++) {
      const { isAllowed, remaining, limit } = await limiter.take("a", START + i);
      assert.equal(limit, 5);
      seen.push([isAllowed, remaining]);
    }
    const expected = [4, 3, 2, 1, 0].map((left) => [true, left] as const);
    assert.deepEqual(seen, [...expected, [false, 0], [false, 0]]);
  });

  test("counts each key apart", async () => {
    const limiter = await make(settings);
    for (const key of ["a", "b", "", "ä€", "a\0", "x".repeat(5000)]) {
      const allowed = await takeMany(limiter, 6, START, key);
      assert.deepEqual(allowed, [true, true, true, true, true, false], JSON.stringify(key));
    }
  });

  test("counts no refused request", async () => {
    const limiter = await make(settings);
    await takeMany(limiter, 5, START);
    for (let at = START; at < START + 50_000; at += 500) await limiter.take("a", at);
    const { isAllowed } = await limiter.take("a", START + settings.window + 1);
    assert.equal(isAllowed, true);
  });

  test("keeps a limit of one, and one in a very short window", async () => {
    const limiter = await make({ ...settings, limit: 1, burst: 1, window: 10 });
    const seen: boolean[] = [];
    for (const after of [0, 0, 5, 11, 11, 22]) seen.push((await limiter.take("a", START + after)).isAllowed);
    assert.deepEqual(seen, [true, false, false, true, false, true]);
  });
}

function testTimes(settings: RateSettings, make: MakeLimiter): void {
  test("tells when a refused request would be let in, neither too early nor too late", async () => {
    for (const offset of [0, 333.3, 7777.77]) {
      const limiter = await make(settings);
      for (let i = 0; i < 5; i++) await limiter.take("a", START + offset + i * 13.7);
      const now = START + offset + 100;
      const { isAllowed, retryAfter } = { ...(await limiter.take("a", now)) };
      assert.equal(isAllowed, false);
      assert.ok(retryAfter > 0 && retryAfter <= settings.window, `${retryAfter}`);
      const early = await limiter.take("a", now + retryAfter - settings.window / 1000);
      assert.equal(early.isAllowed, false, "too early");
      const late = await limiter.take("a", now + retryAfter + 1);
      assert.equal(late.isAllowed, true, "too late");
    }
  });

  test("tells nothing of a wait to those that are let in", async () => {
    const limiter = await make(settings);
    assert.equal((await limiter.take("a", START)).retryAfter, 0);
  });

  test("tells when all will be there again", async () => {
    const limiter = await make(settings);
    let decision: Decision = await limiter.take("a", START);
    for (let i = 1; i < 5; i++) decision = await limiter.take("a", START + i * 1000);
    const whole = START + 4000 + decision.reset;
    assert.ok(decision.reset > 0 && decision.reset <= settings.window, `${decision.reset}`);
    const allowed = await takeMany(limiter, 6, whole + 1);
    assert.deepEqual(allowed, [true, true, true, true, true, false]);
  });

  test("bears clocks that differ a little", async () => {
    const limiter = await make(settings);
    const seen: boolean[] = [];
    for (let i = 0; i < 8; i++) {
      const { isAllowed, reset, retryAfter } = await limiter.take("a", START - (i % 2) * 0.3);
      assert.ok(Math.max(reset, retryAfter) <= settings.window * 1.001, `${reset} ${retryAfter}`);
      seen.push(isAllowed);
    }
    assert.deepEqual(seen, [true, true, true, true, true, false, false, false]);
  });
}

function testSteadyRate(settings: RateSettings, make: MakeLimiter, { seconds }: Effort): void {
  for (const [offered, together] of [
    [1_010, 1],
    [3_000, 10],
  ] as const)
    test(`holds 1,000 a second within 1 % over ${seconds} s when ${offered} come, ${together} at a time`, async () => {
      const limiter = await make({ ...settings, limit: 1000, window: 1000, burst: 50 });
      let allowed = 0;
      for (let i = 0; i < offered * seconds; i += together) {
        const at = START + (i * 1000) / offered;
        const decisions = Array.from({ length: together }, () => allows(limiter, at));
        for (const isAllowed of await Promise.all(decisions)) if (isAllowed) allowed++;
      }
      assert.ok(Math.abs(allowed - 1000 * seconds) <= 10 * seconds, `${allowed} were let in`);
    });
}

const arrivals = fc.record({
  limit: fc.integer({ min: 1, max: 12 }),
  burst: fc.integer({ min: 1, max: 12 }),
  window: fc.constantFrom(10, 333, 1000, 60_000),
  /** Gaps as parts of the window. */
  gaps: fc.array(
    fc.oneof(fc.constant(0), fc.double({ min: 0, max: 0.3, noNaN: true }), fc.constantFrom(0.5, 1, 2.5)),
    {
      minLength: 1,
      maxLength: 80,
    },
  ),
});

function testArrivals(settings: RateSettings, make: MakeLimiter, { runs }: Effort): void {
  test("never lets in more than its rule allows, nor fewer, however requests come", async () => {
    await fc.assert(
      fc.asyncProperty(arrivals, async ({ gaps, ...numbers }) => {
        const rule: RateSettings = { ...settings, ...numbers };
        const limiter = await make(rule);
        const seen: Arrival[] = [];
        let at = START;
        for (const gap of gaps) {
          at += gap * rule.window;
          const { isAllowed } = await limiter.take("a", at);
          const wanted = expected[rule.algorithm](seen, at, rule);
          if (wanted !== null) assert.equal(isAllowed, wanted, `request ${seen.length} at +${at - START}`);
          seen.push({ at, isAllowed });
        }
      }),
      { numRuns: runs },
    );
  });
}

/** Requests that come this close to the moment that decides may go either way, as a part of the window. */
const BLUR = 1 / 10_000;

/** What a rule says of a request, from all that came before; null: it is too close to tell. */
const expected: Record<
  RateSettings["algorithm"],
  (seen: readonly Arrival[], at: number, settings: RateSettings) => boolean | null
> = {
  fixed_window(seen, at, { limit, window }) {
    let start = Number.NEGATIVE_INFINITY;
    let count = 0;
    for (const one of [...seen, { at, isAllowed: false }]) {
      if (Math.abs(one.at - start - window) < window * BLUR) return null;
      if (one.at - start >= window) {
        start = one.at;
        count = 0;
      }
      if (one.isAllowed) count++;
    }
    return count < limit;
  },
  sliding_window(seen, at, { limit, window }) {
    const within = (age: number): number => seen.filter((one) => one.isAllowed && at - one.at < age).length;
    const most = within(window * (1 + BLUR));
    const least = within(window * (1 - BLUR));
    return most < limit === least < limit ? most < limit : null;
  },
  token_bucket(seen, at, { limit, window, burst }) {
    const rate = limit / window;
    let tokens = burst;
    let last = at;
    for (const one of seen) {
      tokens = Math.min(tokens + Math.max(one.at - last, 0) * rate, burst);
      last = one.at;
      if (one.isAllowed) tokens--;
    }
    tokens = Math.min(tokens + (at - last) * rate, burst);
    return Math.abs(tokens - 1) < 0.01 ? null : tokens > 1;
  },
};
