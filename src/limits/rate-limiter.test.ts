import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RateLimiter } from "./rate-limiter.ts";

describe("a limiter of a program", () => {
  test("is told the time by the machine, or by whom it is given", () => {
    const lasting = new RateLimiter({ limit: 1, window: 1e9 });
    assert.deepEqual([lasting.take("a").isAllowed, lasting.take("a").isAllowed], [true, false]);
    let time = 0;
    const limiter = new RateLimiter({ limit: 1, now: () => time });
    assert.deepEqual([limiter.take("a").isAllowed, limiter.take("a").isAllowed], [true, false]);
    time += 1000;
    assert.equal(limiter.take("a").isAllowed, true);
  });

  test("has as large a burst as the limit, when it isn't told", () => {
    const limiter = new RateLimiter({ algorithm: "token_bucket", limit: 3, now: () => 0 });
    assert.deepEqual(
      [0, 1, 2, 3].map(() => limiter.take("a").isAllowed),
      [true, true, true, false],
    );
  });

  test("limits what is under way", () => {
    const limiter = new RateLimiter({ algorithm: "concurrency", limit: 1 });
    assert.deepEqual([limiter.take("a").isAllowed, limiter.take("a").isAllowed], [true, false]);
    limiter.release("a");
    assert.equal(limiter.take("a").isAllowed, true);
  });

  test("refuses limits that can't be kept", () => {
    assert.throws(() => new RateLimiter({ limit: 0 }), {
      name: "RangeError",
      message: /limit is a whole number/,
    });
    assert.throws(() => new RateLimiter({ limit: 1, algorithm: "fixed" as "fixed_window" }), {
      name: "RangeError",
      message: /^There is no algorithm fixed: there are fixed_window, /,
    });
  });
});
