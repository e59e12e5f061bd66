import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDuration, parseQuantity } from "./scenario-quantity.ts";

test("a plain number is in the unit already", () => {
  assert.equal(parseQuantity(5.5, "ms"), 5.5);
  assert.equal(parseQuantity("-5.5", "ms"), -5.5);
  assert.equal(parseQuantity("12", ""), 12);
});

test("units are brought to the one that is wanted", () => {
  assert.equal(parseQuantity("250µs", "ms"), 0.25);
  assert.equal(parseQuantity("0.3s", "ms"), 300);
  assert.equal(parseQuantity("2 m", "ms"), 120_000);
  assert.equal(parseQuantity("1.5ms", "µs"), 1500);
  assert.equal(parseQuantity("1MB/s", "KB/s"), 1000);
  assert.equal(parseQuantity("500B/s", "KB/s"), 0.5);
  assert.equal(parseQuantity("64k", "bytes"), 65_536);
  assert.equal(parseQuantity("7parsecs", "parsecs"), 7);
});

test("what doesn't fit is refused", () => {
  assert.throws(() => parseQuantity("soon", "ms"), { message: 'found "soon"' });
  assert.throws(() => parseQuantity("1MB", "ms"), { message: /^MB is none of the units µs, us, ms/ });
  assert.throws(() => parseQuantity("1s", ""), { message: "there is no unit s here" });
  assert.throws(() => parseQuantity("1s", "parsecs"), { message: "s is not the unit parsecs" });
  assert.throws(() => parseQuantity("1.2.3", "ms"), RangeError);
});

test("durations are written as one would", () => {
  assert.deepEqual([0, 250, 1000, 1500, 90_000].map(formatDuration), ["0s", "250ms", "1s", "1.5s", "90s"]);
});
