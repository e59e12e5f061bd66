import assert from "node:assert/strict";
import { test } from "node:test";
import { ResetAllowance } from "./reset-allowance.ts";

/** Whether so many resets a second are let pass for a minute. */
function passes(perSecond: number): boolean {
  const allowance = new ResetAllowance();
  for (let i = 0; i < 60 * perSecond; i++) if (!allowance.use((i / perSecond) * 1000)) return false;
  return true;
}

test("a few resets a second may go on for ever, as may hundreds at once", () => {
  assert.ok(passes(25));
  assert.ok(!passes(50));
  const allowance = new ResetAllowance();
  for (let i = 1; i < 500; i++) assert.ok(allowance.use(0));
  assert.ok(!allowance.use(0));
  assert.ok(allowance.use(1_000));
});
