import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LateClock, LinkRig } from "../../../test/kit/link-rig.ts";

describe("slicer", () => {
  test("cuts into slices of the size that is wanted", () => {
    const rig = new LinkRig();
    rig.add("slicer", { average_size: 100, size_variation: 20 });
    const connection = rig.open();
    connection.push("x".repeat(1_000_000));
    rig.clock.advance(1000);
    const sizes = connection.downstream.chunks.map(({ length }) => length);
    sizes.pop();
    assert.ok(sizes.every((size) => size >= 80 && size <= 120));
    assert.ok(new Set(sizes).size === 41, "not every size came up");
    const mean = sizes.reduce((sum, size) => sum + size) / sizes.length;
    assert.ok(Math.abs(mean - 100) < 1, `${mean}`);
    assert.equal(connection.downstream.bytes.length, 1_000_000);
  });

  test("never makes empty slices, whatever the variation", () => {
    const rig = new LinkRig();
    rig.add("slicer", { average_size: 2, size_variation: 50 });
    const connection = rig.open();
    connection.push("x".repeat(5000));
    rig.clock.advance(1000);
    assert.ok(connection.downstream.chunks.every(({ length }) => length >= 1 && length <= 52));
    assert.equal(connection.downstream.bytes.length, 5000);
  });

  test("lets the time pass between two slices, and none before the first", () => {
    const rig = new LinkRig();
    rig.add("slicer", { average_size: 10, delay: 5000 });
    const connection = rig.open();
    rig.clock.advance(7);
    connection.push("x".repeat(35));
    rig.clock.advance(1);
    connection.push("y".repeat(10));
    rig.clock.advance(100);
    connection.push("z".repeat(5));
    assert.deepEqual(connection.downstream.times, [7, 12, 17, 22, 27, 108]);
    assert.deepEqual(
      connection.downstream.chunks.map(({ length }) => length),
      [10, 10, 10, 5, 10, 5],
    );
  });

  test("makes up for alarms that are late", () => {
    const rig = new LinkRig({ clock: new LateClock(9) });
    rig.add("slicer", { average_size: 10, delay: 500 });
    const connection = rig.open();
    connection.push("x".repeat(20_010));
    rig.clock.advance(500);
    const received = connection.downstream.bytes.length;
    assert.ok(Math.abs(received - 10_000) <= 200, `${received}`);
  });

  test("lets whole chunks pass, at once, when the size is 0", () => {
    const rig = new LinkRig();
    rig.add("slicer", { average_size: 0, delay: 100_000 });
    const connection = rig.open();
    connection.push("x".repeat(5000));
    connection.push("y");
    assert.deepEqual(
      connection.downstream.chunks.map(({ length }) => length),
      [5000, 1],
    );
  });

  test("doesn't keep the thread with single bytes", () => {
    const rig = new LinkRig();
    rig.add("slicer", { average_size: 1 });
    const connection = rig.open();
    connection.push("x".repeat(10_000));
    assert.equal(connection.downstream.chunks.length, 256);
    rig.clock.advance(1);
    assert.equal(connection.downstream.chunks.length, 10_000);
  });

  test("takes up another size and another time in the middle", () => {
    const rig = new LinkRig();
    rig.add("slicer", { average_size: 10, delay: 1_000_000 });
    const connection = rig.open();
    connection.push("x".repeat(1000));
    rig.clock.advance(100);
    assert.equal(connection.downstream.bytes.length, 10);
    rig.faults.update("slicer", { attributes: { average_size: 200, delay: 150_000 } });
    rig.clock.advance(50);
    assert.equal(connection.downstream.bytes.length, 210);
    rig.faults.update("slicer", { attributes: { average_size: 0 } });
    assert.equal(connection.downstream.bytes.length, 1000);
  });
});
