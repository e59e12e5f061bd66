import assert from "node:assert/strict";
import { test } from "node:test";
import { allocateCounters, COUNTER_NAMES, Counter, Counters, sumCounters } from "./counters.ts";

test("counters start at zero and count by themselves", () => {
  const counters = Counters.local();
  for (const name of COUNTER_NAMES) assert.equal(counters.get(Counter[name]), 0);
  counters.add(Counter.requests);
  counters.add(Counter.requestBodyBytes, 5_000_000_000);
  counters.add(Counter.requestBodyBytes, 1);
  counters.add(Counter.connectionsOpen, 3);
  counters.add(Counter.connectionsOpen, -1);
  assert.equal(counters.get(Counter.requests), 1);
  assert.equal(counters.get(Counter.requestBodyBytes), 5_000_000_001);
  assert.equal(counters.get(Counter.connectionsOpen), 2);
  assert.equal(counters.get(Counter.retries), 0);
});

test("threads have blocks of their own, which add up", () => {
  const memory = allocateCounters(3);
  const threads = [0, 1, 2].map((block) => new Counters(memory, block));
  for (const [index, counters] of threads.entries()) {
    for (const name of COUNTER_NAMES) counters.add(Counter[name], index + 1);
  }
  assert.equal(threads[1]!.get(Counter.requests), 2);
  const sums = sumCounters(memory, 3);
  for (const name of COUNTER_NAMES) assert.equal(sums[name], 6);
});

test("no two blocks share a cache line", () => {
  assert.equal(allocateCounters(1).byteLength % 64, 0);
  assert.equal(allocateCounters(2).byteLength, 2 * allocateCounters(1).byteLength);
});

test("of a thread that died, what it counted stays and what it held goes", () => {
  const counters = Counters.local();
  counters.add(Counter.requests, 7);
  counters.add(Counter.requestsActive, 2);
  counters.add(Counter.connectionsOpen, 4);
  counters.add(Counter.tunnelsActive, 1);
  counters.clearGauges();
  assert.equal(counters.get(Counter.requests), 7);
  assert.equal(counters.get(Counter.requestsActive), 0);
  assert.equal(counters.get(Counter.connectionsOpen), 0);
  assert.equal(counters.get(Counter.tunnelsActive), 0);
});
