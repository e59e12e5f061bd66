import assert from "node:assert/strict";
import { test } from "node:test";
import { HandshakeLimit, type HandshakeWaiter } from "./handshake-limit.ts";

class Waiter implements HandshakeWaiter {
  isWaiting = true;
  turns = 0;

  onTurn(): void {
    this.isWaiting = false;
    this.turns++;
  }

  /** Goes before its turn. */
  goFrom(limit: HandshakeLimit): void {
    this.isWaiting = false;
    limit.forgetOne();
  }
}

function waiters(count: number): Waiter[] {
  return Array.from({ length: count }, () => new Waiter());
}

test("of those over the limit who came last is next, without those that have gone", () => {
  const limit = new HandshakeLimit(1, 3);
  const all = waiters(5);
  const [a, b, c, d, e] = all as [Waiter, Waiter, Waiter, Waiter, Waiter];
  for (const waiter of [a, b, c, d]) assert.equal(limit.enter(waiter), true);
  assert.equal(limit.enter(e), false);
  d.goFrom(limit);
  assert.equal(limit.enter(e), true, "whoever has gone takes nobody's place");
  const turnsOf = (): number[] => all.map(({ turns }) => turns);
  limit.leave();
  assert.deepEqual(turnsOf(), [1, 0, 0, 0, 1]);
  limit.leave();
  assert.deepEqual(turnsOf(), [1, 0, 1, 0, 1]);
  assert.equal(limit.waiting, 1);
  limit.leave();
  limit.leave();
  assert.deepEqual([turnsOf(), limit.underWay, limit.waiting], [[1, 1, 1, 0, 1], 0, 0]);
});

test("those that have gone are forgotten, however many", () => {
  const limit = new HandshakeLimit(1, 10);
  limit.enter(new Waiter());
  const kept = new Waiter();
  limit.enter(kept);
  for (let round = 0; round < 1_000; round++) {
    const some = waiters(9);
    for (const waiter of some) assert.equal(limit.enter(waiter), true);
    for (const waiter of some) waiter.goFrom(limit);
    assert.equal(limit.waiting, 1);
  }
  limit.leave();
  assert.deepEqual([kept.turns, limit.underWay, limit.waiting], [1, 1, 0]);
});

test("without a limit nobody waits", () => {
  const limit = new HandshakeLimit(0);
  for (const waiter of waiters(100)) limit.enter(waiter);
  assert.deepEqual([limit.underWay, limit.waiting], [100, 0]);
});
