import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_CAPACITY, Holder } from "./holder.ts";

const MB = 1024 * 1024;

function watched(capacity?: number): { holder: Holder; events: string[] } {
  const events: string[] = [];
  const holder = new Holder(
    () => events.push("full"),
    () => events.push("room"),
    capacity,
  );
  return { holder, events };
}

describe("a holder", () => {
  test("tells when it is full, and when it is half empty again, once each", () => {
    const { holder, events } = watched();
    holder.hold(DEFAULT_CAPACITY - 1);
    assert.deepEqual(events, []);
    holder.hold(1);
    holder.hold(1000);
    assert.deepEqual(events, ["full"]);
    holder.release(1000 + DEFAULT_CAPACITY / 2 - 1);
    assert.deepEqual(events, ["full"]);
    holder.release(1);
    holder.release(1);
    assert.deepEqual(events, ["full", "room"]);
    holder.empty();
    assert.deepEqual([holder.held, events], [0, ["full", "room"]]);
  });

  test("looks at once when it may hold more, or less", () => {
    const { holder, events } = watched(1000);
    holder.hold(900);
    holder.setCapacity(800);
    assert.deepEqual(events, ["full"]);
    holder.setCapacity(1800);
    assert.deepEqual(events, ["full", "room"]);
    holder.empty();
  });

  test("may hold no more than the default when all together hold too much", () => {
    const [many, one] = [watched(1000 * MB), watched(1000 * MB)];
    many.holder.hold(300 * MB);
    one.holder.hold(DEFAULT_CAPACITY - 1);
    assert.deepEqual(one.events, []);
    one.holder.hold(1);
    assert.deepEqual(one.events, ["full"]);
    many.holder.empty();
    one.holder.release(1);
    assert.deepEqual(one.events, ["full", "room"]);
    one.holder.empty();
  });
});
