import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatGrpcTimeout, parseGrpcTimeout } from "./grpc-timeout.ts";

test("timeouts have one to eight digits and a unit", () => {
  const cases = { "1H": 3_600_000, "2M": 120_000, "3S": 3_000, "4m": 4, "5u": 0.005, "6n": 0.000006 };
  for (const [text, milliseconds] of Object.entries(cases))
    assert.equal(parseGrpcTimeout(text), milliseconds);
  assert.equal(parseGrpcTimeout("99999999m"), 99_999_999);
  assert.equal(parseGrpcTimeout("00000001S"), 1_000);
  for (const text of [
    "",
    "m",
    "1",
    "1s",
    "1h",
    " 1m",
    "1m ",
    "+1m",
    "1.0m",
    "1e3m",
    "123456789m",
    "1mm",
    "١m",
  ])
    assert.equal(parseGrpcTimeout(text), Number.NaN, text);
});

test("what is written is what is read, rounded up", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 9e10, noNaN: true }), (milliseconds) => {
      const text = formatGrpcTimeout(milliseconds);
      const read = parseGrpcTimeout(text);
      const step = text.endsWith("m") ? 1 : 1000;
      assert.ok(read >= milliseconds && read < Math.max(1, milliseconds) + step, `${milliseconds}: ${text}`);
    }),
  );
  assert.equal(formatGrpcTimeout(0), "1m");
  assert.equal(formatGrpcTimeout(1e15), "99999999S");
});
