import assert from "node:assert/strict";
import { test } from "node:test";
import { HandshakeLimit, type HandshakeWaiter } from "./handshake-limit.ts";

class Waiter implements HandshakeWaiter {
  turns = 0;

  onTurn(): void {
    this.turns++;
  }
}

test("those over the limit wait in order, without those that have gone", () => {
  const limit = new HandshakeLimit(1, 3);
  const [a, b, c, d, e] = [new Waiter(), new Waiter(), new Waiter(), new Waiter(), new Waiter()];
  for (const waiter of [a, b, c, d]) assert.equal(limit.enter(waiter), true);
  assert.equal(limit.enter(e), false);
  limit.leave(b);
  assert.equal(limit.enter(e), true, "whoever has gone takes nobody's place");
  limit.leave(a);
  assert.deepEqual(
    [a, b, c, d, e].map((one) => one.turns),
    [1, 0, 1, 0, 0],
  );
  limit.leave(c);
  limit.leave(d);
  assert.deepEqual([d.turns, e.turns, limit.underWay, limit.waiting], [1, 1, 1, 0]);
});

test("without a limit nobody waits", () => {
  const limit = new HandshakeLimit(0);
  for (let count = 0; count < 100; count++) limit.enter(new Waiter());
  assert.deepEqual([limit.underWay, limit.waiting], [100, 0]);
});
