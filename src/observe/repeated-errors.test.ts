import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TimeoutClock, TimeoutQueue } from "../base/timeouts.ts";
import { RepeatedErrors } from "./repeated-errors.ts";

interface Rig {
  readonly errors: RepeatedErrors;
  /** What was told later, as `key ×n`. */
  readonly more: string[];
  pass(milliseconds: number): void;
}

function rig(): Rig {
  let now = 0;
  const clock = new TimeoutClock(() => now);
  const more: string[] = [];
  const errors = new RepeatedErrors(
    (key, times) => void more.push(`${key} ×${times}`),
    new TimeoutQueue(60_000, clock),
  );
  const pass = (milliseconds: number): void => {
    // In steps: a clock that jumps postpones what is due.
    for (let left = milliseconds; left > 0; left -= 100) {
      now += 100;
      clock.advance(now);
    }
  };
  return { errors, more, pass };
}

describe("errors that come again and again", () => {
  test("are told once, then as a number a minute, for as long as they come", () => {
    const { errors, more, pass } = rig();
    assert.equal(errors.isNews("a"), true);
    for (let i = 0; i < 1000; i++) assert.equal(errors.isNews("a"), false);
    pass(59_000);
    assert.deepEqual(more, []);
    pass(2_000);
    assert.deepEqual(more, ["a ×1000"]);
    errors.isNews("a");
    pass(61_000);
    assert.deepEqual(more, ["a ×1000", "a ×1"]);
  });

  test("are news again after a minute of silence", () => {
    const { errors, more, pass } = rig();
    errors.isNews("a");
    pass(61_000);
    assert.equal(errors.isNews("a"), true);
    pass(130_000);
    assert.deepEqual(more, []);
  });

  test("are kept apart", () => {
    const { errors, more, pass } = rig();
    assert.deepEqual([errors.isNews("a"), errors.isNews("b"), errors.isNews("a")], [true, true, false]);
    pass(61_000);
    assert.deepEqual(more, ["a ×1"]);
  });

  test("make room for others, and their number isn't lost", () => {
    const { errors, more } = rig();
    errors.isNews("first");
    errors.isNews("first");
    for (let i = 0; i < 10_000; i++) assert.equal(errors.isNews(`other ${i}`), true);
    assert.deepEqual(more, ["first ×1"]);
    assert.equal(errors.isNews("first"), true);
  });
});
