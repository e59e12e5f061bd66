import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seededRandom } from "../base/random.ts";
import { allocatePredictor, Predictor } from "./predictor.ts";

function hashes(count: number): { hash: Int32Array }[] {
  const random = seededRandom("predictor");
  const word = (): number => (random.next() * 2 ** 32) | 0;
  return Array.from({ length: count }, () => ({ hash: Int32Array.of(word(), word(), word(), word()) }));
}

describe("a predictor of uncacheable keys", () => {
  test("remembers a key in all threads, for as long as it was told", () => {
    const memory = allocatePredictor(10);
    const [one, other] = [new Predictor(memory, 1000), new Predictor(memory, 1000)];
    const [a, b] = hashes(2) as [{ hash: Int32Array }, { hash: Int32Array }];
    one.remember(a, 5000);
    assert.deepEqual([other.isUncacheable(a, 5999), other.isUncacheable(b, 5999)], [true, false]);
    other.remember(a, 5999);
    assert.deepEqual([one.isUncacheable(a, 6500), one.isUncacheable(a, 7300)], [true, false]);
    other.remember(a, 8000);
    one.forget(a);
    one.forget(b);
    assert.equal(other.isUncacheable(a, 8000), false);
  });

  test("remembers nothing without a lifetime, and knows nothing of keys that have no bits", () => {
    const predictor = new Predictor(allocatePredictor(1), 0);
    const none = { hash: new Int32Array(4) };
    assert.equal(predictor.isUncacheable(none, 0), false);
    predictor.remember(none, 0);
    assert.equal(predictor.isUncacheable(none, 0), false);
  });

  test("has room for what it was made for, and prefers what it saw last beyond that", () => {
    const predictor = new Predictor(allocatePredictor(1000));
    const keys = hashes(20_000);
    const known = (from: number, to: number): number =>
      keys.slice(from, to).filter((key) => predictor.isUncacheable(key, 20_000)).length;
    for (const [at, key] of keys.slice(0, 1000).entries()) predictor.remember(key, at);
    assert.ok(known(0, 1000) > 900, `${known(0, 1000)} are known`);
    assert.equal(known(1000, 20_000), 0);
    for (const [at, key] of keys.entries()) predictor.remember(key, at);
    // Times are noted coarsely, so that among those of one tick it is chance.
    assert.ok(known(19_000, 20_000) > 500, `${known(19_000, 20_000)} of the last thousand are known`);
    assert.ok(known(0, 17_000) < 200, `${known(0, 17_000)} old ones are known`);
  });
});
