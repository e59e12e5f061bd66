import assert from "node:assert/strict";
import { test } from "node:test";
import { sparkline } from "./sparkline.ts";

test("bars are relative to the greatest value shown", () => {
  assert.equal(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8), "▁▂▃▄▅▆▇█");
  assert.equal(sparkline([100, 1, 1], 2), "██");
});

test("a little is more than nothing", () => {
  assert.equal(sparkline([0, 1, 1e9], 3), "▁▂█");
});

test("is always as wide as asked for, the newest on the right", () => {
  assert.equal(sparkline([], 3), "▁▁▁");
  assert.equal(sparkline([5], 3), "▁▁█");
  assert.equal(sparkline([1, 2], 0), "");
});
