import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseDuration, parseSize } from "../quantities.ts";
import { duration, rate, size } from "./units.ts";

describe("a duration", () => {
  test("is a number of seconds or has a unit", () => {
    for (const [text, milliseconds] of [
      [30, 30_000],
      [0.5, 500],
      [0, 0],
      ["500ms", 500],
      ["30s", 30_000],
      ["1.5s", 1_500],
      ["2m", 120_000],
      ["1h", 3_600_000],
    ] as const) {
      assert.equal(parseDuration(text), milliseconds, String(text));
    }
  });

  test("is nothing else", () => {
    for (const text of ["", "30", "s", "-1s", "1 s", "1d", "1m30s", "1e3s", " 1s", "1s\n", ".5s", "NaNs"]) {
      assert.equal(duration.safeParse(text).success, false, text);
    }
    for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY, null, true, "36000m", 2 ** 31]) {
      assert.equal(duration.safeParse(value).success, false, String(value));
    }
  });

  test("is the same in every unit", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 500 }), (hours) => {
        const all = [
          `${hours}h`,
          `${hours * 60}m`,
          `${hours * 3600}s`,
          `${hours * 3_600_000}ms`,
          hours * 3600,
        ];
        assert.deepEqual(new Set(all.map((one) => duration.parse(one))), new Set([hours * 3_600_000]));
      }),
    );
  });
});

describe("a size", () => {
  test("is a number of bytes or has a unit", () => {
    for (const [text, bytes] of [
      [100, 100],
      ["100", 100],
      ["64k", 65_536],
      ["64K", 65_536],
      ["64kb", 65_536],
      ["64KiB", 65_536],
      ["10MB", 10_485_760],
      ["10 MB", 10_485_760],
      ["1.5m", 1_572_864],
      ["1g", 1_073_741_824],
      ["7b", 7],
    ] as const) {
      assert.equal(parseSize(text), bytes, String(text));
    }
  });

  test("is nothing else, and within bounds", () => {
    for (const text of ["", "k", "-1", "1t", "1 k b", "0x10", "1kk", " 1", "1  k", "1e3"]) {
      assert.equal(size(0).safeParse(text).success, false, text);
    }
    for (const value of [-1, 1.5, null, false])
      assert.equal(size(0).safeParse(value).success, false, String(value));
    assert.deepEqual(
      [9, "10", "1k", 1025].map((value) => size(10, 1024).safeParse(value).success),
      [false, true, true, false],
    );
  });

  test("never fails in any other way", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."0123456789.kKmMgGbBi -") }), (text) => {
        const parsed = size(0).safeParse(text);
        if (parsed.success) assert.ok(Number.isSafeInteger(parsed.data) && parsed.data >= 0);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a rate", () => {
  test("is a number of bytes a second or has a unit", () => {
    for (const [text, bytes] of [
      [1, 1],
      ["250", 250],
      ["10k", 10_000],
      ["10KB/s", 10_000],
      ["10 KiB/s", 10_240],
      ["1.5M/s", 1_500_000],
      ["2MiB", 2_097_152],
      ["1GB/s", 1_000_000_000],
      ["8B/s", 8],
    ] as const) {
      assert.equal(rate.parse(text), bytes, String(text));
    }
  });

  test("is nothing else", () => {
    for (const text of ["", "fast", "10 parsecs", "-1", "10KB/m", "10/s/s", 0, 0.5, "0.1", null]) {
      assert.equal(rate.safeParse(text).success, false, String(text));
    }
  });
});
