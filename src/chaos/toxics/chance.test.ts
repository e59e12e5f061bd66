import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LinkRig, type RigConnection } from "../../../test/kit/link-rig.ts";
import type { Attributes } from "../attributes.ts";

/** Toxics that lose, double, reorder and change what passes: their measured rates are those that were asked for. */

const COUNT = 100_000;

/** Sends numbered datagrams, one a millisecond, and gives the numbers that arrive, in order. */
function numbersThrough(type: string, attributes: Attributes, count: number = COUNT): number[] {
  const rig = new LinkRig({ kind: "datagrams" });
  rig.add(type, attributes);
  const connection = rig.open();
  const datagram = Buffer.alloc(4);
  for (let i = 0; i < count; i++) {
    datagram.writeUInt32BE(i);
    connection.push(datagram);
    rig.clock.advance(1);
  }
  rig.clock.advance(10_000);
  return connection.downstream.chunks.map((chunk) => chunk.readUInt32BE());
}

function near(actual: number, wanted: number, off: number): void {
  assert.ok(Math.abs(actual - wanted) <= off, `${actual} instead of ${wanted}`);
}

function isSorted(numbers: readonly number[]): boolean {
  return numbers.every((number, i) => i === 0 || numbers[i - 1]! <= number);
}

describe("packet_loss", () => {
  test("loses a tenth by default", () => {
    const numbers = numbersThrough("packet_loss", {});
    near(numbers.length / COUNT, 0.9, 0.01);
    assert.ok(isSorted(numbers));
  });

  test("loses as much as it is told", () => {
    for (const loss_rate of [0, 0.01, 0.25, 0.5, 1]) {
      const numbers = numbersThrough("packet_loss", { loss_rate });
      near(1 - numbers.length / COUNT, loss_rate, loss_rate % 1 === 0 ? 0 : 0.01);
    }
  });

  test("loses in bursts when losses are correlated", () => {
    const numbers = numbersThrough("packet_loss", { loss_rate: 0.1, correlation: 0.4 });
    const arrived = new Set(numbers);
    let lost = 0;
    let lostAfterLost = 0;
    for (let i = 1; i < COUNT; i++) {
      if (arrived.has(i - 1)) continue;
      lost++;
      if (!arrived.has(i)) lostAfterLost++;
    }
    near(lostAfterLost / lost, 0.5, 0.02);
    // What a chain of two states comes to: 0.1 / (1 - 0.5 + 0.1).
    near(lost / COUNT, 1 / 6, 0.01);
  });

  test("loses chunks of a stream", () => {
    const rig = new LinkRig();
    rig.add("packet_loss", { loss_rate: 0.5 });
    const connection = rig.open();
    for (let i = 0; i < 1000; i++) connection.push("ab");
    near(connection.downstream.chunks.length, 500, 60);
    assert.match(connection.downstream.text, /^(ab)+$/);
  });
});

describe("duplicate", () => {
  test("delivers the share that is wanted twice, one behind the other", () => {
    for (const rate of [0, 0.02, 0.1, 1]) {
      const numbers = numbersThrough("duplicate", { rate });
      near(numbers.length / COUNT - 1, rate, rate % 1 === 0 ? 0 : 0.01);
      assert.equal(new Set(numbers).size, COUNT);
      assert.ok(isSorted(numbers));
    }
  });

  test("delivers copies that don't share their bytes", () => {
    const rig = new LinkRig({ kind: "datagrams" });
    rig.add("duplicate", { rate: 1 });
    rig.add("corrupt", { rate: 0.5 });
    const connection = rig.open();
    connection.push(Buffer.alloc(1000));
    const [one, two] = connection.downstream.chunks;
    assert.notDeepEqual(one, two);
  });
});

describe("reorder", () => {
  /** How many of those that were sent later arrived before it, for each number. */
  function overtakersOf(numbers: readonly number[]): Map<number, number> {
    const found = new Map<number, number>();
    numbers.forEach((number, at) => {
      let count = 0;
      for (let i = Math.max(at - 60, 0); i < at; i++) if (numbers[i]! > number) count++;
      if (count > 0) found.set(number, count);
    });
    return found;
  }

  test("lets the share that is wanted be overtaken, and loses none", () => {
    for (const rate of [0.02, 0.1, 0.3]) {
      const numbers = numbersThrough("reorder", { rate });
      assert.deepEqual([numbers.length, new Set(numbers).size], [COUNT, COUNT]);
      const overtaken = overtakersOf(numbers);
      near(overtaken.size / COUNT, rate, 0.01);
      assert.ok([...overtaken.values()].every((count) => count === 1));
    }
  });

  test("lets as many overtake as are wanted", () => {
    const numbers = numbersThrough("reorder", { rate: 0.1, distance: 5 }, 10_000);
    const overtaken = overtakersOf(numbers);
    near(overtaken.size / 10_000, 0.1, 0.02);
    assert.ok([...overtaken.values()].filter((count) => count !== 5).length <= 5);
  });

  test("keeps none for longer than it may", () => {
    const rig = new LinkRig({ kind: "datagrams" });
    rig.add("reorder", { rate: 1, wait: 70 });
    const connection = rig.open();
    connection.push("a");
    rig.clock.advance(30);
    connection.push("b");
    rig.clock.advance(300);
    assert.deepEqual([connection.downstream.text, connection.downstream.times], ["ab", [70, 100]]);
    assert.equal(rig.clock.pending, 0);
  });

  test("takes up another distance and another wait for those that it keeps", () => {
    const rig = new LinkRig({ kind: "datagrams" });
    rig.add("reorder", { rate: 1, distance: 3, wait: 1000 });
    const connection = rig.open();
    connection.push("a");
    connection.push("b");
    rig.clock.advance(10);
    rig.faults.update("reorder", { attributes: { rate: 0 } });
    connection.push("1");
    connection.push("2");
    assert.equal(connection.downstream.text, "12");
    rig.faults.update("reorder", { attributes: { distance: 2 } });
    assert.equal(connection.downstream.text, "12ab");
    rig.faults.update("reorder", { attributes: { rate: 1, distance: 9, wait: 500 } });
    connection.push("c");
    rig.clock.advance(499);
    assert.equal(connection.downstream.text, "12ab");
    rig.clock.advance(1);
    assert.equal(connection.downstream.text, "12abc");
  });
});

describe("corrupt", () => {
  const SIZE = 1_000_000;

  function flipsOf(connection: RigConnection): { bytes: number; bits: number } {
    let bytes = 0;
    let bits = 0;
    for (const byte of connection.downstream.bytes) {
      if (byte !== 0) bytes++;
      for (let rest = byte; rest > 0; rest >>= 1) bits += rest & 1;
    }
    return { bytes, bits };
  }

  function corrupted(attributes: Attributes, size = 1000): RigConnection {
    const rig = new LinkRig();
    rig.add("corrupt", attributes);
    const connection = rig.open();
    for (let i = 0; i < SIZE; i += size) connection.push(Buffer.alloc(Math.min(size, SIZE - i)));
    assert.equal(connection.downstream.bytes.length, SIZE);
    return connection;
  }

  test("flips one bit in the share of bytes that is wanted", () => {
    for (const rate of [0.001, 0.05, 1]) {
      const { bytes, bits } = flipsOf(corrupted({ rate }));
      assert.equal(bits, bytes);
      near(bytes / SIZE, rate, rate === 1 ? 0 : Math.max(rate * 0.1, 0.0002));
    }
    assert.equal(flipsOf(corrupted({ rate: 0 })).bytes, 0);
  });

  test("flips every bit of a byte as often", () => {
    const counts = new Array<number>(8).fill(0);
    for (const byte of corrupted({ rate: 0.1 }).downstream.bytes) if (byte !== 0) counts[Math.log2(byte)]!++;
    for (const count of counts) near(count, 12_500, 600);
  });

  test("flips the share of bits that is wanted", () => {
    for (const bit_rate of [0.001, 0.2, 1]) {
      const { bits } = flipsOf(corrupted({ bit_rate, rate: 0.9 }));
      near(bits / (8 * SIZE), bit_rate, bit_rate === 1 ? 0 : bit_rate * 0.05);
    }
  });

  test("hits the same bytes however they are cut", () => {
    const [whole, inPieces] = [corrupted({ rate: 0.01 }, SIZE), corrupted({ rate: 0.01 }, 777)];
    assert.ok(whole.downstream.bytes.equals(inPieces.downstream.bytes));
  });

  test("takes up another rate", () => {
    const rig = new LinkRig();
    rig.add("corrupt", { rate: 0 });
    const connection = rig.open();
    connection.push(Buffer.alloc(1000));
    assert.equal(flipsOf(connection).bytes, 0);
    rig.faults.update("corrupt", { attributes: { rate: 1 } });
    connection.push(Buffer.alloc(1000));
    assert.equal(flipsOf(connection).bytes, 1000);
    rig.faults.update("corrupt", { attributes: { rate: 0 } });
    connection.push(Buffer.alloc(1000));
    assert.equal(flipsOf(connection).bytes, 1000);
  });
});
