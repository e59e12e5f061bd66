import assert from "node:assert/strict";
import { test } from "node:test";
import { SetLock } from "./set-lock.ts";

test("is taken from a holder that died, and only then", () => {
  const words = new Int32Array(new SharedArrayBuffer(64));
  const dead = new SetLock(words, 0);
  const living = new SetLock(words, 1);
  dead.enter(3);
  living.enter(3);
  assert.notEqual(words[3], 0);
  dead.leave();
  assert.notEqual(words[3], 0, "it is no longer the dead one's to free");
  living.leave();
  assert.deepEqual([...words], new Array(16).fill(0));
});

test("of a thread that is known to be gone is free at once, and no other", () => {
  const words = new Int32Array(new SharedArrayBuffer(64));
  const [gone, other, looker] = [new SetLock(words, 0), new SetLock(words, 1), new SetLock(words, 2)];
  gone.enter(3);
  other.enter(4);
  for (const at of [3, 4]) looker.free(at, 0);
  assert.deepEqual([words[3], words[4] === 0], [0, false]);
});

test("is free again after each turn, also when turns are counted anew", () => {
  const words = new Int32Array(new SharedArrayBuffer(64));
  const lock = new SetLock(words, 1023);
  for (let turn = 0; turn < 2 ** 21 + 10; turn++) {
    lock.enter(0);
    if (words[0] === 0) assert.fail(`turn ${turn} has no ticket`);
    lock.leave();
  }
  assert.equal(words[0], 0);
});
