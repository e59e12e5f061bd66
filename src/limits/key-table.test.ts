import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { KeyTable } from "./key-table.ts";
import { allocateLimit, LimitMemory } from "./limit-memory.ts";

const shape = { numbers: 0, words: 0, halves: 0 };

function createTable(mostKeys: number): KeyTable {
  return new LimitMemory(allocateLimit(mostKeys, shape, 1), shape, 0).table;
}

/** The slots of so many new keys. */
function fill(table: KeyTable, keys: number): number[] {
  return Array.from({ length: keys }, (_, i) => {
    const slot = table.enter(`key ${i}`, i);
    assert.ok(table.isFresh, "it was taken for another one");
    table.leave();
    return slot;
  });
}

function knownSlot(table: KeyTable, key: string): number {
  const slot = table.enterKnown(key);
  table.leave();
  return slot;
}

describe("a table of keys", () => {
  test("tells apart as many as were asked for, but for one in fifty", () => {
    for (const mostKeys of [1, 10, 16, 17, 1000, 20_000]) {
      // Where keys fall is chance, another one in each table: one table alone may have bad luck.
      const tables = Math.ceil(20_000 / mostKeys);
      let known = 0;
      for (let i = 0; i < tables; i++) {
        const table = createTable(mostKeys);
        const slots = fill(table, mostKeys);
        known += slots.filter((slot, key) => knownSlot(table, `key ${key}`) === slot).length;
        assert.ok(table.slots <= Math.max(16, 1.5 * mostKeys + 16));
      }
      const keys = tables * mostKeys;
      assert.ok(known >= keys - keys / 50, `${known} of ${keys} are known`);
    }
  });

  test("gives each key its slot again, and no two the same", () => {
    const table = createTable(1000);
    // Few enough that sixteen of a set are never too few, whatever the secret is.
    const slots = fill(table, 200);
    for (const [i, slot] of slots.entries()) {
      assert.equal(table.enter(`key ${i}`, 1000 + i), slot);
      assert.equal(table.isFresh, false);
      table.leave();
    }
    assert.equal(new Set(slots).size, 200);
  });

  test("gives keys other places in each process: nobody can know which push others out", () => {
    const places = [0, 1, 2, 3].map(() => fill(createTable(1000), 300).join());
    assert.equal(new Set(places).size, 4);
  });

  test("gives away a busy slot when all of the set are", () => {
    const table = createTable(16);
    table.isBusy = (slot) => slot !== 9;
    const slots = fill(table, 20);
    assert.deepEqual(slots.slice(16), [9, 9, 9, 9]);
    table.isBusy = () => true;
    assert.equal(table.enter("another", 50), 0);
    table.leave();
  });

  test("visits each of its slots", () => {
    const table = createTable(100);
    const seen: number[] = [];
    table.forEach((slot) => void seen.push(slot));
    assert.deepEqual(seen, [...Array(table.slots).keys()]);
  });
});
