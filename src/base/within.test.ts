import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { within } from "./within.ts";

const NEVER = new Promise<string>(() => undefined);

test("work is waited for, but no longer than it may take", async () => {
  assert.equal(await within(60_000, Promise.resolve("done")), "done");
  await assert.rejects(within(60_000, Promise.reject(new Error("failed"))), /failed/);
  assert.equal(await within(1, NEVER), undefined);
  assert.equal(await within(1, NEVER, () => "late"), "late");
  const giveUp = (): never => {
    throw new Error("too late");
  };
  await assert.rejects(within(1, NEVER, giveUp), /too late/);
});

test("what fails too late is nobody's", async () => {
  const work = Promise.withResolvers<void>();
  await within(1, work.promise);
  const unhandled = mock.fn();
  process.once("unhandledRejection", unhandled);
  work.reject(new Error("late"));
  await new Promise(setImmediate);
  process.off("unhandledRejection", unhandled);
  assert.equal(unhandled.mock.callCount(), 0);
});
