import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { CacheReports } from "./cache-reports.ts";

test("a Redis that comes and goes is told of once, and of its return who knows that it had gone", () => {
  const told: string[] = [];
  const log = pino(
    { base: null, timestamp: false },
    {
      write(line: string) {
        const { level, cause, msg } = JSON.parse(line) as { level: number; cause?: string; msg: string };
        told.push([level, ...(cause === undefined ? [] : [cause]), msg].join(" "));
      },
    },
  );
  const reports = new CacheReports(() => log);
  const redis = reports.redisOf("pages");
  for (let i = 0; i < 3; i++) {
    redis.onAway("redis://a", "late");
    redis.onBack("redis://a");
    redis.onDeaf("redis://a", "gone");
    redis.onHearing("redis://a");
    redis.onError("redis://a", "OOM");
  }
  reports.redisOf("others").onError("redis://a", "OOM");
  assert.deepEqual(told, [
    "40 late Redis is away: each machine has its cache for itself",
    "30 Redis is back: the cache is shared again",
    "40 gone Redis doesn't tell what other machines purge",
    "30 Redis tells again what other machines purge",
    "40 OOM Redis refuses what a cache asks for",
    "40 OOM Redis refuses what a cache asks for",
  ]);
});
