// One of several processes that share a limit: asks at a rate, and tells in JSON what came of it. Started by main.ts.

import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { monotonicNow } from "../../../src/base/monotonic.ts";
import type { LimitAlgorithm } from "../../../src/limits/limiter-settings.ts";
import { RedisLimitStage } from "../../kit/redis-limits.ts";

/** What it is told, as its only argument. */
export interface TakerOrder {
  readonly url: string;
  readonly timeout: number;
  readonly algorithm: LimitAlgorithm;
  readonly limit: number;
  readonly burst: number;
  /** Requests a second; 0: as many as it can, some at once. */
  readonly rate: number;
  /** Keys, one after the other. */
  readonly keys: number;
  /** Milliseconds. */
  readonly duration: number;
}

/** What it tells. */
export interface TakerReport {
  readonly allowed: number;
  readonly refused: number;
  readonly errors: number;
  readonly failed: number;
  /** Milliseconds that the slowest request, and one in a thousand, waited. */
  readonly slowest: number;
  readonly p999: number;
  /** Microseconds of CPU time for each request. */
  readonly cost: number;
}

const IN_FLIGHT = 64;
const order = JSON.parse(process.argv[2]!) as TakerOrder;
using stage = new RedisLimitStage(order.url, order.timeout);
const limit = stage.limit({
  ...{ algorithm: order.algorithm, limit: order.limit, window: 1000, burst: order.burst },
  mostKeys: order.keys,
});
let [allowed, refused, failed, sent] = [0, 0, 0, 0];
const waits: number[] = [];

async function take(): Promise<void> {
  const start = monotonicNow();
  try {
    const { isAllowed } = await limit.limiter.take(`key ${sent++ % order.keys}`, start);
    if (isAllowed) allowed++;
    else refused++;
  } catch {
    failed++;
  }
  waits.push(monotonicNow() - start);
}

async function takeAtRate(): Promise<void> {
  const under: Promise<void>[] = [];
  for (let passed = 0; passed < order.duration; passed = monotonicNow() - start) {
    const due = Math.floor((passed * order.rate) / 1000);
    while (sent < due) under.push(take());
    await delay(1);
  }
  await Promise.all(under);
}

async function takeAll(): Promise<void> {
  const one = async (): Promise<void> => {
    while (monotonicNow() - start < order.duration) await take();
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
}

// All begin together. What limits wait for keeps no process alive, but this does.
const told = once(process.stdin, "data");
await stage.begun;
process.stdout.write("ready\n");
await told;
const start = monotonicNow();
const before = process.cpuUsage();
await (order.rate === 0 ? takeAll() : takeAtRate());
const { user, system } = process.cpuUsage(before);
waits.sort((a, b) => a - b);
const report: TakerReport = {
  ...{ allowed, refused, failed, errors: limit.errors, cost: (user + system) / sent },
  slowest: waits.at(-1)!,
  p999: waits[Math.floor(waits.length * 0.999)]!,
};
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exit();
