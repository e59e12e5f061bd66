import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { editDistance, nearestWord } from "./nearest-word.ts";

test("counts insertions, deletions, replacements and swaps", () => {
  for (const [a, b, distance] of [
    ["", "", 0],
    ["", "abc", 3],
    ["abc", "abc", 0],
    ["abc", "ac", 1],
    ["abc", "acb", 1],
    ["upstream", "upsteram", 1],
    ["kitten", "sitting", 3],
    ["ca", "abc", 3],
  ] as const) {
    assert.equal(editDistance(a, b), distance, `${a} ${b}`);
    assert.equal(editDistance(b, a), distance, `${b} ${a}`);
  }
});

test("is never more than the longer text, nor less than the difference in length", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (a, b) => {
      const distance = editDistance(a, b);
      assert.ok(distance <= Math.max(a.length, b.length));
      assert.ok(distance >= Math.abs(a.length - b.length));
      assert.equal(distance === 0, a === b);
    }),
  );
});

test("finds what was meant, if anything was", () => {
  const words = ["bind", "routes", "upstream", "timeouts"];
  assert.equal(nearestWord("Upstreams", words), "upstream");
  assert.equal(nearestWord("route", words), "routes");
  assert.equal(nearestWord("time-outs", words), "timeouts");
  assert.equal(nearestWord("x", words), undefined);
  assert.equal(nearestWord("daemon", words), undefined);
  assert.equal(nearestWord("bind", []), undefined);
});
