import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Refusals } from "./refusals.ts";

describe("refusals", () => {
  test("are believed until they are over", () => {
    const refusals = new Refusals(5);
    assert.equal(refusals.of("a", 100), null);
    refusals.add("a", 100, 900, 300);
    const { isAllowed, limit, remaining, reset, retryAfter } = refusals.of("a", 150)!;
    assert.deepEqual(
      { isAllowed, limit, remaining, reset, retryAfter },
      { isAllowed: false, limit: 5, remaining: 0, reset: 850, retryAfter: 250 },
    );
    assert.equal(refusals.of("b", 150), null);
    assert.notEqual(refusals.of("a", 399.9), null);
    assert.equal(refusals.of("a", 400), null);
  });

  test("are believed for a second at most", () => {
    const refusals = new Refusals(5);
    refusals.add("a", 100, 60_000, 60_000);
    assert.equal(refusals.of("a", 1099)?.retryAfter, 59_001);
    assert.equal(refusals.of("a", 1100), null);
  });

  test("are remembered for so many keys, the newest ones", () => {
    const refusals = new Refusals(5);
    for (let i = 0; i < 10_000; i++) refusals.add(`${i}`, 0, 900, 900);
    const known = Array.from({ length: 10_000 }, (_, i) => refusals.of(`${i}`, 1) !== null);
    assert.equal(known.filter(Boolean).length, 4096);
    assert.equal(known.indexOf(true), 10_000 - 4096);
    refusals.clear();
    assert.equal(refusals.of("9999", 1), null);
  });
});
