import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { seededRandom } from "../../base/random.ts";
import { WeightedDraw } from "./weighted-draw.ts";

function create(shares: readonly number[], seed = "draw"): WeightedDraw {
  const draw = new WeightedDraw(seededRandom(seed));
  draw.update(shares);
  return draw;
}

test("draws each place as often as its share says", () => {
  const shares = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(
      shares.filter((all) => all.some((share) => share > 0)),
      (all) => {
        const draw = create(all);
        const sum = all.reduce((total, share) => total + share, 0);
        const counts = all.map(() => 0);
        for (let i = 0; i < 10_000; i++) counts[draw.draw()]! += 1;
        for (const [place, share] of all.entries()) {
          const expected = (10_000 * share) / sum;
          // Five standard deviations, and nothing at all for no share.
          assert.ok(Math.abs(counts[place]! - expected) <= 5 * Math.sqrt(expected), `${counts} for ${all}`);
        }
      },
    ),
    { numRuns: 50, seed: 4 },
  );
});

test("draws another one, if there is any", () => {
  for (const shares of [
    [1, 1],
    [1, 100_000],
    [100_000, 1],
    [0, 3, 0, 5, 90_000],
  ]) {
    const draw = create(shares);
    for (let i = 0; i < 200; i++) {
      const first = draw.draw();
      assert.notEqual(draw.drawOther(first), first);
    }
  }
  assert.equal(create([0, 7]).drawOther(1), 1);
});

test("has nothing to draw when nobody has a share", () => {
  assert.equal(create([0, 0]).size, 0);
});
