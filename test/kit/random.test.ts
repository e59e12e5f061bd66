import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "./random.ts";

test("the same seed gives the same numbers, another one gives others", () => {
  const take = (seed: number): number[] => {
    const random = createRandom(seed);
    return Array.from({ length: 20 }, () => random.next());
  };
  assert.deepEqual(take(7), take(7));
  assert.notDeepEqual(take(7), take(8));
  assert.ok(take(7).every((number) => number >= 0 && number < 1));
});

test("every number below the limit comes, and no other", () => {
  const random = createRandom(1);
  const seen = new Set(Array.from({ length: 500 }, () => random.below(6)));
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5]);
});

test("a shuffle keeps the values and leaves the original alone", () => {
  const values = Array.from({ length: 30 }, (_, i) => i);
  const shuffled = createRandom(1).shuffle(values);
  assert.notDeepEqual(shuffled, values);
  assert.deepEqual(
    shuffled.toSorted((a, b) => a - b),
    values,
  );
});
