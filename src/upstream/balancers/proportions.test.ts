import assert from "node:assert/strict";
import { test } from "node:test";
import { toProportions } from "./proportions.ts";

test("finds the smallest whole numbers", () => {
  assert.deepEqual(toProportions([100, 50, 0], 4096), [2, 1, 0]);
  assert.deepEqual(toProportions([100, 100, 37], 4096), [100, 100, 37]);
  assert.deepEqual(toProportions([0, 0], 4096), [0, 0]);
  assert.deepEqual(toProportions([], 4096), []);
});

test("makes them smaller when they are too many, but never 0", () => {
  assert.deepEqual(toProportions([100_000, 1, 0, 99_999], 100), [50, 1, 0, 50]);
});
