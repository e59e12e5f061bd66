import assert from "node:assert/strict";
import { test } from "node:test";
import { parseH2load } from "./h2load.ts";

const report = `
finished in 1.01s, 96148.00 req/s, 12.47MB/s
requests: 96148 total, 96404 started, 96148 done, 96140 succeeded, 8 failed, 2 errored, 1 timeout
status codes: 96140 2xx, 0 3xx, 1 4xx, 5 5xx
traffic: 12.47MB (13076912) total, 9.63MB (10095540) headers (space savings 40.00%), 1.19MB (1249924) data
`;
const log = "1795268694910795\t200\t300\n1795268694910796\t200\t100\n1\t-1\t9\n2\t200\t200\n";

test("counts come from the report of h2load, and percentiles from its log", () => {
  assert.deepEqual(parseH2load(report, log), {
    requests: 96_140,
    seconds: 1.01,
    p50Micros: 200,
    p99Micros: 300,
    errors: { connect: 0, read: 1, write: 0, timeout: 1, status: 6 },
  });
});

test("a report without a result is an error that shows it", () => {
  assert.throws(() => parseH2load("unable to connect", ""), /unable to connect/);
});
