import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualAlarmClock } from "../base/alarms.ts";
import { SlowStart } from "./slow-start.ts";

test("a server gets its share in steps that end at the whole", () => {
  const clock = new ManualAlarmClock();
  const ramps: number[] = [];
  const start: SlowStart = new SlowStart(2_000, clock, () => ramps.push(start.rampOf(3)));
  assert.equal(start.rampOf(3), 1);
  start.begin(3);
  assert.equal(start.rampOf(3), 0.05);
  clock.advance(10_000);
  assert.equal(ramps.at(0), 0.1);
  assert.equal(ramps.at(-1), 1);
  assert.equal(ramps.length, 19, "no alarm rings when nothing starts");
  assert.deepEqual(
    ramps,
    ramps.toSorted((a, b) => a - b),
  );
});

test("servers start apart from each other, and at once where nothing is slow", () => {
  const clock = new ManualAlarmClock();
  const start = new SlowStart(1_000, clock, () => undefined);
  start.begin(0);
  clock.advance(500);
  start.begin(1);
  assert.ok(start.rampOf(0) > 0.5);
  assert.equal(start.rampOf(1), 0.05);
  start.end(1);
  assert.equal(start.rampOf(1), 1);
  const none = new SlowStart(0, clock, () => undefined);
  none.begin(0);
  assert.equal(none.rampOf(0), 1);
});
