import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { arrayJson, compareBytes, float32Json, objectJson, textJson, valueJson } from "./write-json.ts";

test("text is safe in a page", () => {
  assert.equal(
    textJson('<a>&\u2028\u2029"\\\b\f\n\r\t\u0001\u007fé'),
    '"\\u003ca\\u003e\\u0026\\u2028\\u2029\\"\\\\\\b\\f\\n\\r\\t\\u0001\u007fé"',
  );
});

test("members stay in their order, numbers as names too", () => {
  assert.equal(
    objectJson([
      ["b", "1"],
      ["2", "[]"],
      ["1", "{}"],
    ]),
    '{"b":1,"2":[],"1":{}}',
  );
  assert.equal(arrayJson(["1", '"a"']), '[1,"a"]');
});

test("values are written as Go writes them", () => {
  assert.deepEqual([5, -0, 1e21, 1e-7, 0.1, true, "a<"].map(valueJson), [
    "5",
    "-0",
    "1e+21",
    "1e-7",
    "0.1",
    "true",
    '"a\\u003c"',
  ]);
});

test("a number of 32 bits has as many digits as it needs", () => {
  const cases = [
    [1, "1"],
    [0.3, "0.3"],
    [123456789, "123456790"],
    [1 / 3, "0.33333334"],
    [1e-7, "1e-7"],
    [1e25, "1e+25"],
    [-3, "-3"],
    [-0, "-0"],
    [16777217, "16777216"],
  ] as const;
  for (const [value, json] of cases) assert.equal(float32Json(value), json);
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      assert.equal(Math.fround(Number(float32Json(value))), value);
    }),
  );
});

test("names are sorted by their bytes", () => {
  assert.deepEqual(["\u{1f600}", "\uff00", "b", "B", "a10", "a1"].toSorted(compareBytes), [
    "B",
    "a1",
    "a10",
    "b",
    "\uff00",
    "\u{1f600}",
  ]);
});
