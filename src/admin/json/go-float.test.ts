import assert from "node:assert/strict";
import { test } from "node:test";
import { goFloat } from "./go-float.ts";

test("numbers look as Go prints them", () => {
  const cases = {
    "0": 0,
    "-0": -0,
    "187": 187,
    "999999": 999_999,
    "1e+06": 1e6,
    "1.234567e+06": 1_234_567,
    "1.23456785e+07": 12_345_678.5,
    "1e+21": 1e21,
    "123456.789": 123_456.789,
    "0.1": 0.1,
    "0.0001": 0.0001,
    "1.5e-05": 1.5e-5,
    "-1e+06": -1e6,
  };
  for (const [text, value] of Object.entries(cases)) assert.equal(goFloat(value), text);
});
