import assert from "node:assert/strict";
import { test } from "node:test";
import { startOrigin } from "../kit/origins.ts";
import { startBalancer } from "./balancer.ts";

/** Milliseconds: longer than a start takes, or a probe that comes at once would look like one that waited. */
const INTERVAL = 2_000;

test("no probe is sent before the first interval has passed, and then one, whatever the number of threads", async () => {
  await using origin = await startOrigin();
  const started = performance.now();
  await using balancer = await startBalancer({
    ...{ threads: 2, servers: [origin.address] },
    upstream: [`health_check: { http: /healthz, interval: ${INTERVAL}ms, jitter: 0% }`],
  });
  assert.equal(origin.connectionCount, 0);
  const { url } = await origin.request(0);
  assert.ok(performance.now() - started >= INTERVAL);
  assert.equal(url, "/healthz");
  assert.equal(origin.requests.length, 1);
  assert.equal((await balancer.servers())[0]?.requests, 0);
});
