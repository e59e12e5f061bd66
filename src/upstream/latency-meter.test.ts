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

test("a server that fails instead of answering is a slow one", () => {
  const meter = new LatencyMeter(GroupMemory.local(1), () => 1);
  meter.note(0, 2);
  meter.noteUnanswered(0, 0.1, true);
  assert.equal(meter.of(0), 1_000);
  meter.noteUnanswered(0, 5_000, true);
  assert.equal(meter.of(0), 5_000);
});

test("a server that was waited for in vain takes that long at least", () => {
  const meter = new LatencyMeter(GroupMemory.local(2), () => 1);
  meter.noteUnanswered(0, 100, false);
  assert.equal(meter.of(0), 100);
  meter.noteUnanswered(0, 40, false);
  assert.equal(meter.of(0), 100, "who has left sooner knows nothing new");
  meter.note(1, 300);
  meter.noteUnanswered(1, 200, false);
  assert.equal(meter.of(1), 300);
});
