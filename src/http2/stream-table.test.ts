import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { StreamTable } from "./stream-table.ts";

test("a table of streams holds what a map would", () => {
  const id = fc.oneof(
    fc.integer({ min: 0, max: 40 }),
    // Those that point to the same slot.
    fc.integer({ min: 0, max: 40 }).map((n) => n * 64 + 1),
    fc.integer({ min: 0, max: 0x7fff_ffff }),
  );
  const step = fc.record({ id, adds: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const table = new StreamTable<{ readonly id: number }>();
      const map = new Map<number, { readonly id: number }>();
      for (const { id, adds } of steps) {
        if (!adds) {
          table.delete(id);
          map.delete(id);
        } else if (!map.has(id)) {
          map.set(id, { id });
          table.add(map.get(id)!);
        }
        assert.equal(table.size, map.size);
      }
      for (const { id } of steps) assert.equal(table.get(id), map.get(id));
      assert.deepEqual(
        table.all(),
        [...map.values()].sort((a, b) => a.id - b.id),
      );
    }),
  );
});
