import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LateClock, LinkRig, type RigConnection, WatchedClock } from "../../../test/kit/link-rig.ts";
import { attributeProblem } from "../registry.ts";
import { bandwidth } from "./bandwidth.ts";

const SECOND = 1000;

/** Bytes that came in each window of `width` milliseconds, from the first whole one on. */
function windowsOf({ downstream }: RigConnection, width: number, count: number): number[] {
  const until = (i: number): number => downstream.receivedBy(i * width);
  return Array.from({ length: count }, (_, i) => until(i + 2) - until(i + 1));
}

function near(actual: number, wanted: number, share: number): void {
  assert.ok(Math.abs(actual - wanted) <= wanted * share, `${actual} instead of ${wanted}`);
}

const clocks: Readonly<Record<string, () => WatchedClock>> = {
  "with exact alarms": () => new WatchedClock(),
  "with alarms that are up to 4 ms late": () => new LateClock(4),
  "with alarms that are up to 37 ms late": () => new LateClock(37),
};

for (const [name, newClock] of Object.entries(clocks)) {
  describe(`bandwidth ${name}`, () => {
    for (const rate of [1, 17, 100, 1000, 10_000]) {
      test(`lets ${rate} KB/s pass, exactly and smoothly`, () => {
        const rig = new LinkRig({ clock: newClock() });
        rig.add("bandwidth", { rate });
        const connection = rig.open();
        connection.saturate();
        rig.clock.advance(11 * SECOND);
        near(connection.downstream.receivedBy(10 * SECOND), rate * 10_000, 0.005);
        const most = rig.clock instanceof LateClock ? 0.5 : 0.11;
        for (const bytes of windowsOf(connection, 100, 90)) near(bytes, rate * 100, most);
      });
    }

    test("shares one rate among connections, evenly", () => {
      const rig = new LinkRig({ clock: newClock() });
      rig.add("bandwidth", { rate: 100, shared: true });
      const connections = Array.from({ length: 4 }, () => rig.open());
      for (const connection of connections) connection.saturate();
      rig.clock.advance(10 * SECOND);
      const received = connections.map(({ downstream }) => downstream.bytes.length);
      near(
        received.reduce((sum, bytes) => sum + bytes),
        1_000_000,
        0.01,
      );
      for (const bytes of received) near(bytes, 250_000, 0.02);
      // The others take what one leaves.
      connections[0]!.links.close();
      connections[1]!.links.close();
      rig.clock.advance(10 * SECOND);
      near(connections[2]!.downstream.bytes.length - received[2]!, 500_000, 0.02);
    });
  });
}

describe("bandwidth", () => {
  test("delays a message by the time that it takes to cross", () => {
    const rig = new LinkRig();
    rig.add("bandwidth", { rate: 10 });
    const { downstream, push } = openAt(rig);
    push("x".repeat(50));
    rig.clock.advance(4.9);
    assert.equal(downstream.bytes.length, 0);
    rig.clock.advance(0.1);
    assert.equal(downstream.bytes.length, 50);
  });

  test("saves nothing up while it is idle", () => {
    const rig = new LinkRig();
    rig.add("bandwidth", { rate: 10 });
    const { downstream, push } = openAt(rig);
    push("x");
    rig.clock.advance(5 * SECOND);
    push("x".repeat(1000));
    rig.clock.advance(50);
    assert.equal(downstream.bytes.length, 501);
    rig.clock.advance(50);
    assert.equal(downstream.bytes.length, 1001);
    assert.equal(rig.clock.pending, 0);
  });

  test("goes by bytes per second where they are given", () => {
    const rig = new LinkRig();
    rig.add("bandwidth", { rate: 1_000_000, bytes_per_second: 250 });
    const connection = rig.open();
    connection.saturate(100);
    rig.clock.advance(10 * SECOND);
    near(connection.downstream.bytes.length, 2500, 0.01);
  });

  test("lets nothing pass at 0, until it is told another rate", () => {
    for (const shared of [false, true]) {
      const rig = new LinkRig();
      rig.add("bandwidth", { rate: 0, shared });
      const connection = rig.open();
      connection.push("held");
      connection.end();
      rig.clock.advance(60 * SECOND);
      assert.deepEqual([connection.downstream.text, connection.downstream.events], ["", []]);
      rig.faults.update("bandwidth", { attributes: { rate: 1 } });
      rig.clock.advance(4);
      assert.deepEqual([connection.downstream.text, connection.downstream.events], ["held", ["end"]]);
      rig.faults.update("bandwidth", { attributes: { rate: 0 } });
    }
  });

  test("takes up a new rate in the middle of a piece", () => {
    const rig = new LinkRig();
    rig.add("bandwidth", { bytes_per_second: 1 });
    const { downstream, push } = openAt(rig);
    push("x".repeat(100_000));
    rig.clock.advance(500);
    rig.faults.update("bandwidth", { attributes: { bytes_per_second: 100_000 } });
    rig.clock.advance(500);
    near(downstream.bytes.length, 50_000, 0.01);
    rig.faults.update("bandwidth", { attributes: { bytes_per_second: 10_000 } });
    rig.clock.advance(1000);
    near(downstream.bytes.length, 60_000, 0.01);
  });

  test("keeps its average while its rate is changed all the time", () => {
    const rig = new LinkRig();
    rig.add("bandwidth", { bytes_per_second: 100 });
    const connection = rig.open();
    connection.saturate(1000);
    // A byte takes 10 ms, and no rate stays longer than 3.
    for (let i = 0; i < 3000; i++) {
      rig.faults.update("bandwidth", { attributes: { bytes_per_second: 100 + (i % 2) } });
      rig.clock.advance(3);
    }
    near(connection.downstream.bytes.length, 9 * 100.5, 0.01);
  });

  test("changes between a rate for each and one for all", () => {
    const rig = new LinkRig();
    rig.add("bandwidth", { rate: 100 });
    const connections = [rig.open(), rig.open()];
    for (const connection of connections) connection.saturate();
    const received = (): number =>
      connections.reduce((sum, { downstream }) => sum + downstream.bytes.length, 0);
    rig.clock.advance(SECOND);
    near(received(), 200_000, 0.02);
    rig.faults.update("bandwidth", { attributes: { shared: true } });
    rig.clock.advance(SECOND);
    near(received(), 300_000, 0.02);
    rig.faults.update("bandwidth", { attributes: { shared: true, rate: 1000 } });
    rig.clock.advance(SECOND);
    near(received(), 1_300_000, 0.02);
    rig.faults.update("bandwidth", { attributes: { shared: false, rate: 100 } });
    rig.clock.advance(SECOND);
    near(received(), 1_500_000, 0.02);
  });

  test("never cuts datagrams", () => {
    const rig = new LinkRig({ kind: "datagrams" });
    rig.add("bandwidth", { rate: 10 });
    const { downstream, push } = openAt(rig);
    for (let i = 0; i < 5; i++) push("d".repeat(1000));
    rig.clock.advance(SECOND);
    assert.deepEqual(downstream.times, [100, 200, 300, 400, 500]);
    assert.ok(downstream.chunks.every(({ length }) => length === 1000));
  });

  test("reads a quarter of a second ahead, 64 KiB at least", () => {
    const pushedAt = (rate: number): number => {
      const rig = new LinkRig();
      rig.add("bandwidth", { rate });
      const connection = rig.open();
      connection.saturate();
      return connection.link().held;
    };
    near(pushedAt(10_000), 2_500_000, 0.02);
    near(pushedAt(1), 65_536, 0.3);
  });

  test("refuses a negative rate", () => {
    assert.equal(attributeProblem(bandwidth.attributes.rate, -1), "must be at least 0");
    assert.equal(attributeProblem(bandwidth.attributes.rate, 1.5), "expected a whole number");
    assert.equal(attributeProblem(bandwidth.attributes.rate, 0), null);
  });
});

function openAt(rig: LinkRig): { downstream: RigConnection["downstream"]; push: (text: string) => void } {
  const connection = rig.open();
  return { downstream: connection.downstream, push: (text) => connection.push(text) };
}
