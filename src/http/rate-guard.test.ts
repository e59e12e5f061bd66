import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RateGuard } from "./rate-guard.ts";

function setUp(rate: number): { clock: { now: number }; guard: RateGuard } {
  const clock = { now: 777 };
  const guard = new RateGuard(rate, clock);
  guard.start();
  return { clock, guard };
}

describe("the rate of a body", () => {
  test("is judged once in five seconds", () => {
    const { clock, guard } = setUp(240);
    clock.now += 4999;
    assert.equal(guard.accepts(1), true);
    clock.now += 1;
    assert.equal(guard.accepts(1), false);
  });

  test("is enough at its minimum", () => {
    const { clock, guard } = setUp(240);
    for (let window = 0; window < 10; window++) {
      clock.now += 5000;
      assert.equal(guard.accepts(1200), true);
    }
    clock.now += 5000;
    assert.equal(guard.accepts(1199), false);
  });

  test("isn't saved up in one window for the next", () => {
    const { clock, guard } = setUp(240);
    assert.equal(guard.accepts(1_000_000), true);
    clock.now += 5000;
    assert.equal(guard.accepts(1), true);
    clock.now += 5000;
    assert.equal(guard.accepts(1), false);
  });

  test("isn't judged by the time in which we don't read", () => {
    const { clock, guard } = setUp(240);
    for (let i = 0; i < 4; i++) {
      clock.now += 1000;
      guard.pause();
      clock.now += 60_000;
      guard.pause();
      guard.resume();
      guard.resume();
      assert.equal(guard.accepts(1), true);
    }
    clock.now += 999;
    assert.equal(guard.accepts(1), true);
    clock.now += 1;
    assert.equal(guard.accepts(1), false);
  });

  test("starts anew whatever was before", () => {
    const { clock, guard } = setUp(240);
    guard.pause();
    clock.now += 60_000;
    guard.start();
    clock.now += 5000;
    assert.equal(guard.accepts(1), false);
  });

  test("doesn't matter when the minimum is zero", () => {
    const { clock, guard } = setUp(0);
    clock.now += 1_000_000;
    assert.equal(guard.accepts(1), true);
  });
});
