import assert from "node:assert/strict";
import { test } from "node:test";
import { type Column, formatTable, shorten } from "./table.ts";

function column(title: string, cells: readonly string[], change: Partial<Column> = {}): Column {
  return { title, cells, align: "left", cut: "end", least: 0, most: 20, rank: 0, ...change };
}

test("columns are as wide as what stands in them", () => {
  const lines = formatTable(
    [column("a", ["x", "long"]), column("n", ["1", "22"], { align: "right", least: 4 })],
    80,
  );
  assert.deepEqual(lines, ["a       n", "x       1", "long   22"]);
});

test("the column of the highest rank goes first when there is no room", () => {
  const columns = [
    column("name", ["abcdef"]),
    column("b", ["12"], { rank: 2 }),
    column("c", ["34"], { rank: 1 }),
  ];
  assert.deepEqual(formatTable(columns, 12), ["name   b  c ", "abcdef 12 34"]);
  assert.deepEqual(formatTable(columns, 11), ["name   c ", "abcdef 34"]);
  assert.deepEqual(formatTable(columns, 3), ["name  ", "abcdef"]);
});

test("what is too long is cut where it matters least", () => {
  assert.equal(shorten("[2001:db8::1]:5432", 8, "start"), "…1]:5432");
  assert.equal(shorten("latency", 4, "end"), "lat…");
  assert.equal(shorten("latency", 7, "end"), "latency");
  assert.equal(shorten("latency", 1, "end"), "…");
  assert.deepEqual(formatTable([column("x", ["0123456789"], { most: 5 })], 80), ["x    ", "0123…"]);
});
