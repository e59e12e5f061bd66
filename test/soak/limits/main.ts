// Limits of 1,000 a second that two processes share through Redis, for ten seconds each; the same with a Redis that is killed and
// started again meanwhile; and what a question costs: node test/soak/limits/main.ts
//
// Exits with 1 when a limit wasn't held within 1 %, or a request failed or waited longer than it may.

import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../../kit/ports.ts";
import { type RunningProgram, startProgram } from "../../kit/process.ts";
import { RedisClient, startRedis } from "../../kit/redis.ts";
import type { TakerOrder, TakerReport } from "./taker.ts";

const ALGORITHMS = ["fixed_window", "sliding_window", "token_bucket"] as const;
const SECONDS = 10;
const LIMIT = 1000;
const BURST = 50;
/** Requests a second of each of two processes: half as many again as the limit, or three times as many, in all. */
const RATES = [750, 1500];
/** Milliseconds a request may be late, for the timer's and the machine's sake. */
const GRACE = 100;

const taker = new URL("taker.ts", import.meta.url).pathname;
let isGood = true;

async function runTakers(
  port: number,
  order: Omit<TakerOrder, "url" | "duration" | "timeout">,
  timeout: number,
  meanwhile: () => Promise<void> = async () => undefined,
): Promise<readonly TakerReport[]> {
  const whole: TakerOrder = { ...order, url: `redis://127.0.0.1:${port}`, timeout, duration: SECONDS * 1000 };
  const start = (): Promise<RunningProgram> => startProgram(process.execPath, [taker, JSON.stringify(whole)]);
  await using one = await start();
  await using two = await start();
  await Promise.all([one.line(/^ready/), two.line(/^ready/)]);
  for (const program of [one, two]) program.write("go\n");
  await meanwhile();
  const lines = [one, two].map((program) => program.line(/^{.*}$/, (SECONDS + 10) * 1000));
  return (await Promise.all(lines)).map(([line]) => JSON.parse(line) as TakerReport);
}

const sum = (reports: readonly TakerReport[], of: (report: TakerReport) => number): number =>
  reports.reduce((total, report) => total + of(report), 0);

function tell(what: string, isFine: boolean, details: string): void {
  if (!isFine) isGood = false;
  process.stdout.write(`${isFine ? "ok " : "NOT OK "} ${what}: ${details}\n`);
}

async function holdLimits(): Promise<void> {
  for (const algorithm of ALGORITHMS) {
    for (const rate of RATES) {
      const { program, port } = await startRedis();
      await using _ = program;
      const order = { algorithm, limit: LIMIT, burst: BURST, rate, keys: 1 };
      const reports = await runTakers(port, order, 1000);
      const allowed = sum(reports, (report) => report.allowed);
      const errors = sum(reports, (report) => report.errors + report.failed);
      const wanted = LIMIT * SECONDS + (algorithm === "token_bucket" ? BURST : 0);
      const off = (allowed / wanted - 1) * 100;
      const parts = reports.map((report) => report.allowed).join(" + ");
      tell(
        `${algorithm}, 2 × ${rate}/s`,
        Math.abs(off) <= 1 && errors === 0,
        `${parts} = ${allowed} let in (${off.toFixed(2)} %), ${errors} errors`,
      );
    }
  }
}

async function loseRedis(): Promise<void> {
  const timeout = 100;
  const port = await freePort();
  let redis = await startRedis({ port });
  const order = { algorithm: "sliding_window", limit: LIMIT, burst: 0, rate: 2000, keys: 100 } as const;
  const reports = await runTakers(port, order, timeout, async () => {
    for (let round = 0; round < 3; round++) {
      await delay(1000);
      redis.program.kill();
      await redis.program.exit();
      await delay(1000);
      redis = await startRedis({ port });
    }
    await delay(1000);
    redis.program.signal("SIGSTOP");
    await delay(1000);
    redis.program.signal("SIGCONT");
  });
  await redis.program[Symbol.asyncDispose]();
  const slowest = Math.max(...reports.map((report) => report.slowest));
  const failed = sum(reports, (report) => report.failed);
  const decided = sum(reports, (report) => report.allowed + report.refused);
  tell(
    "Redis killed three times and stopped once, 2 × 2000/s",
    failed === 0 && slowest <= timeout + GRACE,
    `${decided} decided, ${failed} failed, ${sum(reports, (report) => report.errors)} of them without Redis, ` +
      `slowest ${slowest.toFixed(1)} ms of ${timeout}`,
  );
}

async function tellCost(): Promise<void> {
  for (const algorithm of ALGORITHMS) {
    for (const keys of [1, 10_000]) {
      const { program, port } = await startRedis();
      await using _ = program;
      const order = { algorithm, limit: 1e9, burst: 1e9, rate: 0, keys };
      const reports = await runTakers(port, order, 1000);
      using client = await RedisClient.connect(port);
      const stats = String(await client.ask("INFO", "commandstats"));
      const [, calls, , perCall] = /cmdstat_evalsha:calls=(\d+),usec=(\d+),usec_per_call=([\d.]+)/.exec(
        stats,
      )!;
      const decided = sum(reports, (report) => report.allowed + report.refused);
      const costs = reports.map((report) => report.cost.toFixed(1)).join(" and ");
      const waits = reports.map((report) => report.p999.toFixed(1)).join(" and ");
      tell(
        `${algorithm}, 2 × 64 at once, ${keys} keys`,
        true,
        `${costs} µs of CPU a request, ${waits} ms at the 99.9th; ${calls} questions for ${decided} requests, ` +
          `${perCall} µs of Redis each`,
      );
    }
  }
}

await holdLimits();
await loseRedis();
await tellCost();
process.exitCode = isGood ? 0 : 1;
