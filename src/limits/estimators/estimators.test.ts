import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Estimator } from "./estimator.ts";
import { Inflight } from "./inflight.ts";
import { Rate } from "./rate.ts";

describe("an estimator", () => {
  test("counts keys apart, and takes back", () => {
    const estimator = new Estimator();
    assert.deepEqual([estimator.add("a"), estimator.add("a", 4), estimator.add("b", 2)], [1, 5, 2]);
    assert.deepEqual(
      ["a", "b", "c"].map((key) => estimator.get(key)),
      [5, 2, 0],
    );
    assert.equal(estimator.add("a", -5), 0);
    estimator.reset();
    assert.equal(estimator.get("b"), 0);
  });

  test("is never too low, and seldom much too high", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ maxLength: 3 }), fc.nat(100)), { maxLength: 200 }),
        (events) => {
          const estimator = new Estimator({ hashes: 2, slots: 8 });
          const exact = new Map<string, number>();
          for (const [key, count] of events) {
            exact.set(key, (exact.get(key) ?? 0) + count);
            assert.ok(estimator.add(key, count) >= exact.get(key)!);
          }
          for (const [key, count] of exact) assert.ok(estimator.get(key) >= count);
        },
      ),
    );
    const estimator = new Estimator();
    for (let i = 0; i < 10_000; i++) estimator.add(`key ${i}`);
    const off = Array.from({ length: 10_000 }, (_, i) => estimator.get(`key ${i}`) - 1);
    const bound = (Math.E / 1024) * 10_000;
    assert.ok(off.filter((error) => error > bound).length < 10_000 * Math.exp(-4), `${Math.max(...off)}`);
  });

  test("counts together with others over its memory", () => {
    const one = new Estimator({ hashes: 3, slots: 10 });
    const two = new Estimator(one.memory);
    one.add("a", 2);
    assert.equal(two.add("a"), 3);
    assert.equal(one.get("a"), 3);
  });

  test("has a row and a counter at least", () => {
    for (const options of [
      { hashes: 0 },
      { slots: 0 },
      { hashes: 1.5 },
      { slots: Number.NaN },
      { hashes: 17 },
    ])
      assert.throws(() => new Estimator(options), RangeError);
  });
});

describe("a rate", () => {
  function createRate(interval = 1000): { rate: Rate; pass: (milliseconds: number) => void } {
    let time = 5_000_000;
    const rate = new Rate({ interval, now: () => time });
    return {
      rate,
      pass: (milliseconds) => {
        time += milliseconds;
      },
    };
  }

  test("is that of the last whole interval", () => {
    const { rate, pass } = createRate();
    assert.deepEqual([rate.observe("a"), rate.observe("a", 2), rate.observe("b")], [1, 3, 1]);
    assert.equal(rate.rate("a"), 0);
    pass(1000);
    assert.deepEqual([rate.rate("a"), rate.rate("b"), rate.rate("c")], [3, 1, 0]);
    assert.equal(rate.observe("a", 4), 4);
    pass(999);
    assert.equal(rate.rate("a"), 3);
    pass(1);
    assert.deepEqual([rate.rate("a"), rate.rate("b")], [4, 0]);
    pass(1000);
    assert.equal(rate.rate("a"), 0);
  });

  test("is forgotten when nothing was seen for two intervals", () => {
    const { rate, pass } = createRate();
    rate.observe("a", 10);
    pass(2500);
    assert.equal(rate.rate("a"), 0);
    assert.equal(rate.observe("a"), 1);
    rate.observe("a");
    pass(10_000);
    assert.equal(rate.rateWith("a"), 0);
  });

  test("is one of seconds, however long the interval", () => {
    const { rate, pass } = createRate(250);
    rate.observe("a", 10);
    pass(250);
    assert.equal(rate.rate("a"), 40);
  });

  test("can be worked out from both intervals", () => {
    const { rate, pass } = createRate();
    rate.observe("a", 100);
    pass(1250);
    rate.observe("a", 10);
    assert.equal(rate.rateWith("a"), 100 * 0.75 + 10);
    const sample = { previous: 100, current: 10, interval: 1000, elapsed: 0.25 };
    assert.equal(
      rate.rateWith("a", (seen) => {
        assert.deepEqual(seen, sample);
        return 7;
      }),
      7,
    );
  });

  test("needs an interval", () => {
    assert.throws(() => new Rate({ interval: 0 }), RangeError);
  });
});

describe("what is in flight", () => {
  test("is what has begun and not ended", () => {
    const inflight = new Inflight();
    const one = inflight.begin("a");
    {
      using two = inflight.begin("a", 3);
      assert.deepEqual([one.count, two.count, inflight.get("a"), inflight.get("b")], [1, 4, 4, 0]);
    }
    assert.equal(inflight.get("a"), 1);
    one.release();
    one.release();
    assert.equal(inflight.get("a"), 0);
  });
});
