import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { freshSeed, seededRandom } from "./random.ts";

function draw(seed: string, count: number): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => random.next());
}

describe("a seeded generator", () => {
  test("gives the same numbers for the same seed, others for another", () => {
    assert.deepEqual(draw("a", 20), draw("a", 20));
    assert.notDeepEqual(draw("a", 20), draw("b", 20));
    assert.notDeepEqual(draw("run/proxy/1", 20), draw("run/proxy/2", 20));
  });

  test("is spread evenly, also over the first numbers of neighbouring seeds", () => {
    const firsts = Array.from({ length: 20_000 }, (_, i) => draw(`seed/${i}`, 1)[0]!);
    for (const numbers of [draw("even", 20_000), firsts]) {
      const buckets = new Array<number>(20).fill(0);
      for (const number of numbers) buckets[Math.floor(number * 20)]!++;
      // Twenty buckets of 1000: five standard deviations are 154.
      for (const size of buckets) assert.ok(Math.abs(size - 1000) < 154, `${size} in one of twenty`);
    }
  });

  test("stays within 0 and 1", () => {
    assert.ok(draw("bounds", 100_000).every((number) => number >= 0 && number < 1));
  });
});

test("a fresh seed is another one each time", () => {
  assert.notEqual(freshSeed(), freshSeed());
});
