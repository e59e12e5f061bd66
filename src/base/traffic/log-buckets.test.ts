import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LogBuckets, quantileOf } from "./log-buckets.ts";

const MOST = 2 ** 32 - 1;
/** As many small numbers as great ones. */
const numbers = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc.integer({ min: 0, max: 1_000_000 }),
  fc.integer({ min: 0, max: MOST }),
);

for (const bits of [3, 5]) {
  const buckets = new LogBuckets(bits);
  const error = 1 / 2 ** (bits + 1);

  test(`with ${bits} bits each number falls into the bucket that it is in`, () => {
    fc.assert(
      fc.property(numbers, (value) => {
        const index = buckets.indexOf(value);
        assert.ok(index >= 0 && index < buckets.count, `${value} in ${index}`);
        assert.ok(
          buckets.lowest(index) <= value && value < buckets.lowest(index + 1),
          `${value} in ${index}`,
        );
      }),
      { numRuns: 2000, examples: [[0], [MOST], [31], [32], [63], [64]] },
    );
  });

  test(`with ${bits} bits the middle of a bucket is at most ${error * 100} % beside what fell into it`, () => {
    fc.assert(
      fc.property(numbers, (value) => {
        const middle = buckets.middle(buckets.indexOf(value));
        assert.ok(Math.abs(middle - value) <= error * value, `${middle} for ${value}`);
      }),
      { numRuns: 2000, examples: [[0], [MOST]] },
    );
  });

  test(`with ${bits} bits quantiles are as far from the true ones, of several histograms together too`, () => {
    const lists = fc.array(fc.array(numbers, { maxLength: 100 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(lists, fc.double({ min: 0, max: 1, noNaN: true }), (all, share) => {
        const histograms = all.map((values) => count(buckets, values));
        const sum = histograms.reduce((a, b) => a.map((n, i) => n + b[i]!));
        const values = all.flat().sort((a, b) => a - b);
        const truth = values[Math.max(Math.ceil(share * values.length), 1) - 1] ?? 0;
        const found = quantileOf(buckets, sum, share);
        assert.ok(Math.abs(found - truth) <= error * truth, `${found} for ${truth}`);
      }),
    );
  });
}

test("buckets follow one another without a gap", () => {
  const buckets = new LogBuckets(5);
  assert.equal(buckets.count, 896);
  for (let i = 0; i < buckets.count; i++) {
    assert.equal(buckets.indexOf(buckets.lowest(i)), i);
    assert.equal(buckets.indexOf(buckets.lowest(i + 1) - 1), i);
  }
  assert.equal(buckets.lowest(buckets.count), 2 ** 32);
});

test("of nothing each quantile is 0", () => {
  const buckets = new LogBuckets(5);
  assert.equal(quantileOf(buckets, new Float64Array(buckets.count), 0.5), 0);
});

function count(buckets: LogBuckets, values: readonly number[]): Float64Array {
  const counts = new Float64Array(buckets.count);
  for (const value of values) counts[buckets.indexOf(value)]! += 1;
  return counts;
}
