import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LinkRig } from "../../../test/kit/link-rig.ts";
import { ALARM_TOLERANCE } from "../../base/alarms.ts";

/** Delays of single chunks, each sent when the one before has long arrived. */
function delaysOf(latency: number, jitter: number, count: number): number[] {
  const rig = new LinkRig();
  rig.add("latency", { latency, jitter });
  const connection = rig.open();
  const gap = 2 * (latency + jitter);
  for (let i = 0; i < count; i++) {
    connection.push("x");
    rig.clock.advance(gap);
  }
  return connection.downstream.times.map((time, i) => time - i * gap);
}

describe("latency", () => {
  test("delays everything by as much, side by side", () => {
    const rig = new LinkRig();
    rig.add("latency", { latency: 100 });
    const connection = rig.open();
    for (let i = 0; i < 1000; i++) {
      connection.push("x".repeat(1000));
      rig.clock.advance(0.05);
    }
    rig.clock.advance(49.9);
    assert.equal(connection.downstream.chunks.length, 0);
    rig.clock.advance(50.2);
    assert.equal(connection.downstream.chunks.length, 1000);
    // At most as early as alarms may ring.
    connection.downstream.times.forEach((time, i) => {
      assert.ok(time > i * 0.05 + 99.99 - ALARM_TOLERANCE && time <= i * 0.05 + 100.01, `${time}`);
    });
  });

  test("spreads delays evenly within the jitter", () => {
    const count = 20_000;
    const delays = delaysOf(100, 30, count);
    assert.equal(delays.length, count);
    const bins = new Array<number>(20).fill(0);
    for (const delay of delays) {
      assert.ok(delay >= 70 && delay < 130, `${delay}`);
      bins[Math.floor((delay - 70) / 3)]!++;
    }
    const mean = delays.reduce((sum, delay) => sum + delay, 0) / count;
    assert.ok(Math.abs(mean - 100) < 0.5, `mean ${mean}`);
    // 19 degrees of freedom: chance exceeds 43.8 once in a thousand seeds.
    const expected = count / bins.length;
    const chiSquare = bins.reduce((sum, bin) => sum + (bin - expected) ** 2 / expected, 0);
    assert.ok(chiSquare < 43.8, `chi-square ${chiSquare}`);
  });

  test("never delays by less than nothing", () => {
    const delays = delaysOf(10, 40, 2000);
    assert.ok(Math.min(...delays) === 0 && Math.max(...delays) < 50);
    const atOnce = delays.filter((delay) => delay === 0).length / delays.length;
    assert.ok(Math.abs(atOnce - 30 / 80) < 0.05, `${atOnce}`);
  });

  test("keeps order where delays would change it", () => {
    const rig = new LinkRig();
    rig.add("latency", { latency: 50, jitter: 50 });
    const connection = rig.open();
    const sent: string[] = [];
    for (let i = 0; i < 5000; i++) {
      const text = `${i};`;
      sent.push(text);
      connection.push(text);
      rig.clock.advance(1);
    }
    rig.clock.advance(100);
    assert.equal(connection.downstream.text, sent.join(""));
    const { times } = connection.downstream;
    times.forEach((time, i) => {
      assert.ok(time - i < 100.01 && time >= (times[i - 1] ?? 0));
    });
  });

  test("adds up with more of its kind", () => {
    const rig = new LinkRig();
    rig.add("latency", { latency: 100 }, { name: "one" });
    rig.add("latency", { latency: 30 }, { name: "two" });
    const connection = rig.open();
    connection.push("x");
    rig.clock.advance(500);
    assert.deepEqual(connection.downstream.times, [130]);
  });

  test("acts on what waits already when it is changed", () => {
    const rig = new LinkRig();
    rig.add("latency", { latency: 10_000 });
    const connection = rig.open();
    for (let i = 0; i < 100; i++) {
      connection.push("x");
      rig.clock.advance(10);
    }
    rig.faults.update("latency", { attributes: { latency: 500 } });
    assert.equal(connection.downstream.chunks.length, 51);
    rig.clock.advance(100);
    assert.equal(connection.downstream.chunks.length, 61);
    rig.faults.update("latency", { attributes: { latency: 2000 } });
    rig.clock.advance(1600);
    assert.equal(connection.downstream.chunks.length, 71);
    rig.faults.update("latency", { attributes: { latency: 0 } });
    assert.equal(connection.downstream.chunks.length, 100);
    assert.equal(rig.clock.pending, 0);
  });

  test("delays jitter that was set later by the lots that chunks drew when they came", () => {
    const rig = new LinkRig();
    rig.add("latency", { latency: 1000 });
    const connection = rig.open();
    for (let i = 0; i < 50; i++) connection.push("x");
    rig.faults.update("latency", { attributes: { jitter: 900 } });
    rig.clock.advance(2000);
    assert.equal(connection.downstream.chunks.length, 50);
    assert.ok(new Set(connection.downstream.times).size > 2);
  });

  test("keeps the end no longer than what comes before it", () => {
    const rig = new LinkRig();
    rig.add("latency", { latency: 100 });
    const [first, second] = [rig.open(), rig.open()];
    first.end();
    assert.equal(first.downstream.endedAt, 0);
    second.push("x");
    rig.clock.advance(90);
    second.end();
    rig.clock.advance(90);
    assert.equal(second.downstream.endedAt, 100);
  });

  test("takes a hundred thousand chunks in its stride", () => {
    const rig = new LinkRig();
    rig.add("latency", { latency: 1000, jitter: 100 });
    const connection = rig.open();
    const start = performance.now();
    for (let i = 0; i < 100_000; i++) connection.push("x");
    for (let i = 0; i < 100; i++) rig.faults.update("latency", { attributes: { latency: 1000 + i } });
    rig.clock.advance(1500);
    assert.equal(connection.downstream.chunks.length, 100_000);
    assert.ok(performance.now() - start < 5000, "something takes a time that grows with the square");
  });

  test("stops a sender of tiny chunks before they fill the memory", () => {
    const rig = new LinkRig();
    rig.add("latency", { latency: 1000 });
    const connection = rig.open();
    let pushed = 0;
    for (; !connection.downstream.isFull; pushed++) connection.push("x");
    assert.ok(pushed < 300_000, `${pushed} chunks`);
  });
});
