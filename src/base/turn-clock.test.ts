import assert from "node:assert/strict";
import { test } from "node:test";
import { beginTurn, endTurn, turnDate, turnNow } from "./turn-clock.ts";

/** Of two clocks that are no more than read one after the other. */
const APART = 5;

test("tells one time of a turn, by both clocks", () => {
  const before = [performance.now(), Date.now()] as const;
  beginTurn();
  const [now, date] = [turnNow(), turnDate()];
  while (performance.now() < now + 2);
  assert.deepEqual([turnNow(), turnDate()], [now, date]);
  endTurn();
  const after = [performance.now(), Date.now()] as const;
  assert.ok(now >= before[0] && now <= after[0]);
  assert.ok(Number.isInteger(date) && date >= before[1] - APART && date <= after[1] + APART, `${date}`);
});

test("tells the time there is where nobody said that a turn began", () => {
  const before = [performance.now(), Date.now()] as const;
  const [now, date] = [turnNow(), turnDate()];
  assert.ok(now >= before[0] && now <= performance.now());
  assert.ok(date >= before[1] && date <= Date.now());
});
