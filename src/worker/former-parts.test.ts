import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualAlarmClock } from "../base/alarms.ts";
import type { CompositionParts } from "./composition.ts";
import { FormerParts } from "./former-parts.ts";

/** Parts that tell when they end. */
function partsOf(name: number, ended: number[]): CompositionParts {
  const parts = {
    groups: { retire: () => void ended.push(name) },
    limits: { close: () => undefined },
    caches: { close: () => undefined },
    connector: { close: () => undefined },
    filters: [],
  };
  return parts as unknown as CompositionParts;
}

test("what was run before is let go after a minute, or when there has been too much since", () => {
  const clock = new ManualAlarmClock();
  const former = new FormerParts(clock);
  const ended: number[] = [];
  const all = Array.from({ length: 20 }, (_, i) => partsOf(i, ended));
  for (const [i, parts] of all.slice(0, -1).entries()) {
    former.add(parts, all[i + 1]!);
    clock.advance(100);
  }
  assert.deepEqual(ended, [0, 1, 2]);
  clock.advance(60_000 - 16 * 100 - 1);
  assert.equal(ended.length, 3);
  clock.advance(2);
  assert.deepEqual(ended, [0, 1, 2, 3]);
  clock.advance(1_000);
  assert.equal(ended.length, 14);
  former.close();
  assert.deepEqual(
    ended,
    Array.from({ length: 19 }, (_, i) => i),
  );
  clock.advance(60_000);
  assert.equal(ended.length, 19);
});
