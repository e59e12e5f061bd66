import assert from "node:assert/strict";
import { test } from "node:test";
import { until, untilQuick, withDeadline } from "./deadline.ts";

test("withDeadline passes on a result and a failure", async () => {
  assert.equal(await withDeadline(Promise.resolve(1), 1000, String), 1);
  await assert.rejects(withDeadline(Promise.reject(new Error("broken")), 1000, String), /broken/);
});

test("withDeadline says what it waited for", async () => {
  const never = new Promise<never>(() => {});
  await assert.rejects(
    withDeadline(never, 5, () => "the end of time"),
    /waited 5 ms for the end of time/,
  );
});

test("until returns the first truthy value", async () => {
  let count = 0;
  assert.equal(await until("three", () => ++count === 3 && "done", { every: 1 }), "done");
  assert.equal(count, 3);
});

test("until gives up", async () => {
  await assert.rejects(
    until("pigs fly", () => false, { timeout: 5, every: 1 }),
    /waited 5 ms until pigs fly/,
  );
});

test("what is slow at first may be quick in the end", async () => {
  const times = [30, 20, 10];
  await untilQuick(20, async () => times.shift() ?? 0);
  assert.deepEqual(times, []);
});
