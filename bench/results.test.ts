import assert from "node:assert/strict";
import { test } from "node:test";
import { isSuspect, type Sample, summarize } from "./results.ts";
import type { Workload } from "./workloads.ts";

const workload: Workload = {
  name: "small",
  title: "small answers",
  kind: "load",
  request: "",
  answerBytes: 13,
  connections: 64,
  references: ["nginx", "nginx-tuned"],
  protocol: "http1",
  streams: 1,
};

const round = (cpuMicrosPerRequest: number, errors = 0): Sample => ({
  values: { cpuMicrosPerRequest, requestsPerSecond: 1e6 / cpuMicrosPerRequest },
  count: 1000,
  errors,
});

const result = summarize(workload, [
  { peer: "slow", version: "1", rounds: [round(40), round(20), round(30)] },
  { peer: "broken", version: "1", rounds: [], failure: "it ended" },
  { peer: "nginx", version: "2", rounds: [round(10), round(15, 2), round(5)] },
]);

test("rows hold medians, the best first and failures last", () => {
  assert.deepEqual(
    result.rows.map(({ peer, values }) => [peer, values.cpuMicrosPerRequest]),
    [
      ["nginx", 10],
      ["slow", 30],
      ["broken", undefined],
    ],
  );
});

test("ratios are to the references that were measured", () => {
  assert.deepEqual(result.rows[1]?.ratios, { nginx: 3 });
  assert.deepEqual(result.rows[2]?.ratios, {});
});

test("errors of any round make a row suspect, and so does a failure", () => {
  assert.deepEqual(
    result.rows.map((row) => [row.errors, isSuspect(row)]),
    [
      [2, true],
      [0, false],
      [0, true],
    ],
  );
});
