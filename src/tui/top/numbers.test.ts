import assert from "node:assert/strict";
import { test } from "node:test";
import { formatCount, formatLatency, formatPercent } from "./numbers.ts";

test("counts and rates fit into five characters", () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, "0"],
    [0.25, "0.3"],
    [12, "12"],
    [12.34, "12.3"],
    [123.4, "123"],
    [999.4, "999"],
    [999.6, "1.0k"],
    [1_000_000, "1M"],
    [12_345, "12.3k"],
    [4e15, "4000T"],
    [-1, "0"],
  ];
  for (const [count, text] of cases) assert.equal(formatCount(count), text);
});

test("what isn't nothing is no 0%", () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, "0%"],
    [0.0001, "<0.1%"],
    [0.001, "0.1%"],
    [0.0994, "9.9%"],
    [0.0996, "10%"],
    [1, "100%"],
  ];
  for (const [share, text] of cases) assert.equal(formatPercent(share), text);
});

test("latencies have three digits, and none where nothing was measured", () => {
  const cases: readonly (readonly [number, string])[] = [
    [0.0004, "0µs"],
    [0.42, "420µs"],
    [0.9996, "1.00ms"],
    [1.254, "1.25ms"],
    [12.54, "12.5ms"],
    [125.4, "125ms"],
    [999.6, "1.00s"],
    [125_400, "125s"],
  ];
  const latency = { count: 1, p50: 0, p90: 0, p99: 0 };
  for (const [max, text] of cases) assert.equal(formatLatency({ ...latency, max }, "max"), text);
  assert.equal(formatLatency({ ...latency, max: 0, count: 0 }, "max"), "-");
});
