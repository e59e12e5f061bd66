import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Ending } from "./ending.ts";

async function isHurried(ending: Ending): Promise<boolean> {
  return await Promise.race([ending.hurried.then(() => true), setImmediate(false)]);
}

test("the first to want an end says how, and the second that it is to be now", async () => {
  const ending = new Ending();
  ending.want("drain");
  assert.equal(await isHurried(ending), false);
  ending.want("drain");
  assert.equal(await isHurried(ending), true);
  assert.equal(await ending.wanted, "drain");
});

test("who has handed over still waits for what is under way, whichever came first", async () => {
  for (const [first, second] of [
    ["drain", "handover"],
    ["handover", "handover"],
  ] as const) {
    const ending = new Ending();
    ending.want(first);
    ending.want(second);
    assert.equal(await isHurried(ending), false);
    ending.want("drain");
    assert.equal(await isHurried(ending), true);
    assert.equal(await ending.wanted, first);
  }
});
