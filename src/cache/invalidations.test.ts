import assert from "node:assert/strict";
import { test } from "node:test";
import { allocateInvalidations, Invalidations } from "./invalidations.ts";

function keyOf(word: number): { hash: Int32Array } {
  return { hash: Int32Array.of(1, 2, word, 4) };
}

test("an invalidation is seen in all threads, by who fetches that key, and hardly anybody else", () => {
  const memory = allocateInvalidations();
  const [one, other] = [new Invalidations(memory), new Invalidations(memory)];
  const keys = Array.from({ length: 1000 }, (_, i) => keyOf((i * 2654435761) | 0));
  const before = keys.map((key) => other.count(key));
  one.add(keys[7]!);
  const changed = keys.filter((key, i) => other.count(key) !== before[i]);
  assert.ok(changed.includes(keys[7]!));
  assert.ok(changed.length < 5, `${changed.length} of ${keys.length}`);
  one.add(keys[7]!);
  assert.equal(other.count(keys[7]!), before[7]! + 2);
});

test("counts for any hash, also where its words are negative", () => {
  const invalidations = new Invalidations(allocateInvalidations());
  for (const word of [-1, -(2 ** 31), 2 ** 31 - 1, 0]) {
    invalidations.add(keyOf(word));
    assert.ok(invalidations.count(keyOf(word)) >= 1, String(word));
  }
});
