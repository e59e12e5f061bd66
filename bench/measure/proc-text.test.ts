import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCpuList, parseKilobytes, parseStat, treeOf } from "./proc-text.ts";

const nginx = "812 (nginx) S 811 812 812 0 -1 4194624 318 20 0 0 150 250 30 40 20 0 1 0 77 1 2 3 4 5";

test("processor time is that of the process and of the children it waited for", () => {
  assert.deepEqual(parseStat(nginx), { pid: 812, parent: 811, ticks: 470 });
});

test("a program's name may look like fields", () => {
  const odd = nginx.replace("(nginx)", "(a) S 1 (b)");
  assert.deepEqual(parseStat(odd), { pid: 812, parent: 811, ticks: 470 });
});

test("a tree has the children of children, and nobody else's", () => {
  const stat = (pid: number, parent: number) => ({ pid, parent, ticks: 0 });
  const all = [stat(1, 0), stat(30, 20), stat(10, 1), stat(20, 10), stat(11, 1)];
  assert.deepEqual(
    treeOf(10, all).map(({ pid }) => pid),
    [10, 20, 30],
  );
  assert.deepEqual(treeOf(99, all), []);
});

test("memory is read by name", () => {
  const rollup = "55ef-7fff ---p 0 00:00 0  [rollup]\nRss:    1708 kB\nPss:     375 kB\nPss_Dirty: 1 kB\n";
  assert.equal(parseKilobytes(rollup, "Pss"), 375 * 1024);
  assert.equal(parseKilobytes(rollup, "Swap"), undefined);
});

test("processor lists have ranges and single numbers", () => {
  assert.deepEqual(parseCpuList("0-1\n"), [0, 1]);
  assert.deepEqual(parseCpuList("0,4-6"), [0, 4, 5, 6]);
  assert.deepEqual(parseCpuList(""), []);
});
