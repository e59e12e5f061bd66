import assert from "node:assert/strict";
import { test } from "node:test";
import { CrashDelays } from "./crash-delays.ts";

const crashes = Array.from({ length: 10 });

test("a worker that never comes up is tried less and less often", () => {
  const delays = new CrashDelays();
  const waited = crashes.map(() => delays.next(0, { isReady: false, lived: 50 }));
  assert.deepEqual(waited, [0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
});

test("one that was ready is away for a moment only, however often it crashes", () => {
  const delays = new CrashDelays();
  const waited = crashes.map(() => delays.next(0, { isReady: true, lived: 50 }));
  assert.deepEqual(waited, [0, 100, 200, 400, 400, 400, 400, 400, 400, 400]);
  assert.equal(delays.next(0, { isReady: true, lived: 10_001 }), 0);
  assert.equal(delays.next(1, { isReady: true, lived: 50 }), 0);
});
