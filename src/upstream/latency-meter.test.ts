import assert from "node:assert/strict";
import { test } from "node:test";
import { GroupMemory } from "./group-memory.ts";
import { LatencyMeter } from "./latency-meter.ts";

test("a latency goes up at once and comes down slowly", () => {
  let now = 1_000_000;
  const meter = new LatencyMeter(GroupMemory.local(2), () => now);
  assert.equal(meter.isWanted, false);
  assert.equal(meter.of(1), 0);
  assert.ok(meter.isWanted);
  meter.note(1, 20);
  assert.equal(meter.of(1), 20);
  meter.note(1, 500);
  assert.equal(meter.of(1), 500);
  // At the same moment nothing has decayed; after ten seconds a third is left of what it was.
  meter.note(1, 0.5);
  assert.equal(meter.of(1), 500);
  now += 10_000;
  meter.note(1, 20);
  assert.ok(Math.abs(meter.of(1) - (20 + 480 / Math.E)) < 1e-9);
  now += 200_000;
  meter.note(1, 20);
  assert.ok(Math.abs(meter.of(1) - 20) < 0.01);
  assert.equal(meter.of(0), 0);
});

test("a latency that nobody measures any more is forgotten little by little", () => {
  let now = 5_000;
  const meter = new LatencyMeter(GroupMemory.local(1), () => now);
  meter.note(0, 300);
  now += 10_000;
  assert.ok(Math.abs(meter.of(0) - 300 / Math.E) < 1e-9);
  now += 190_000;
  assert.ok(meter.of(0) < 0.001 && meter.of(0) > 0);
});

test("a server that can't be reached is a slow one", () => {
  const meter = new LatencyMeter(GroupMemory.local(1), () => 1);
  meter.note(0, 2);
  meter.noteUnreachable(0);
  assert.equal(meter.of(0), 1_000);
});
