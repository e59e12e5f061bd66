import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLoadResult, totalErrors } from "./load.ts";

const output = `Running 1s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.34ms  235.91us   9.27ms   92.82%
    Req/Sec    47.61k     1.64k   49.20k    90.91%
  52113 requests in 1.10s, 12.38MB read
Requests/sec:  47379.93
Transfer/sec:     11.25MB
{"requests":52113,"seconds":1.099896,"p50Micros":1310,"p99Micros":2101,"errors":{"connect":0,"read":3,"write":0,"timeout":1,"status":2}}
`;

test("the result is found behind wrk's own report", () => {
  const result = parseLoadResult(output);
  assert.equal(result.requests, 52_113);
  assert.equal(result.seconds, 1.099896);
  assert.equal(result.p50Micros, 1310);
  assert.equal(result.p99Micros, 2101);
  assert.equal(totalErrors(result.errors), 6);
});

test("output without a result is an error that shows it", () => {
  assert.throws(() => parseLoadResult("unable to connect"), /unable to connect/);
});
