import assert from "node:assert/strict";
import { test } from "node:test";
import { EarlyPriorities } from "./early-priorities.ts";
import { toPriority } from "./priority.ts";

const FIRST = toPriority(0, false);
const LAST = toPriority(7, true);

test("what was told last of a stream is there when it opens, once", () => {
  const told = new EarlyPriorities(10);
  told.note(1, LAST);
  told.note(1, FIRST);
  assert.equal(told.take(1), FIRST);
  assert.equal(told.take(1), null);
  assert.equal(told.take(3), null);
});

test("streams that were passed over are forgotten, later ones are not", () => {
  const told = new EarlyPriorities(10);
  for (const id of [1, 3, 7]) told.note(id, LAST);
  assert.equal(told.take(5), null);
  assert.equal(told.size, 1);
  assert.equal(told.take(7), LAST);
});

test("only so much is kept, and what is kept can still be changed", () => {
  const told = new EarlyPriorities(2);
  for (let id = 1; id < 2000; id += 2) told.note(id, LAST);
  assert.equal(told.size, 2);
  told.note(3, FIRST);
  assert.equal(told.take(1), LAST);
  assert.equal(told.take(3), FIRST);
  assert.equal(told.take(5), null);
});
