import assert from "node:assert/strict";
import { test } from "node:test";
import type { WorkloadResult } from "../results.ts";
import { failureLines, resultCells } from "./result-table.ts";

const result: WorkloadResult = {
  workload: "small",
  title: "small answers",
  kind: "load",
  references: ["nginx", "nginx-tuned"],
  rows: [
    {
      peer: "nginx",
      version: "1.22.1",
      values: {
        cpuMicrosPerRequest: 9.64,
        requestsPerSecond: 41_234.5,
        p50Micros: 1310,
        p99Micros: 2101,
        memoryBytes: 5 * 2 ** 20,
      },
      ratios: { nginx: 1 },
      errors: 0,
      rounds: [],
    },
    { peer: "lossy", version: "1", values: {}, ratios: {}, errors: 1200, rounds: [] },
    { peer: "dead", version: "1", values: {}, ratios: {}, errors: 0, rounds: [], failure: "it ended: boom" },
  ],
};

test("a row has the key metric, its ratios, the other metrics and the errors", () => {
  const [heading, nginx, lossy, dead] = resultCells(result);
  assert.deepEqual(heading?.slice(0, 4), ["peer", "CPU µs/request", "× nginx", "× nginx-tuned"]);
  assert.deepEqual(nginx, ["nginx", "9.6", "1.00", "-", "41,235", "1.31", "2.10", "5.0", "0"]);
  assert.deepEqual([lossy?.at(0), lossy?.at(-1)], ["! lossy", "1,200"]);
  assert.deepEqual([dead?.at(0), dead?.at(-1)], ["! dead", "failed"]);
});

test("failures are explained", () => {
  assert.deepEqual(failureLines(result), ["! dead: it ended: boom"]);
});
