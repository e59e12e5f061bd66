import assert from "node:assert/strict";
import { test } from "node:test";
import type { ApiCache } from "./caches-client.ts";
import { cachesText } from "./caches-text.ts";
import { createPaint } from "./paint.ts";

const CACHE: ApiCache = {
  ...{ name: "pages", entries: 3, bytes: 1000, most_bytes: 2000, evictions: 0, refused: 0 },
  stores: [{ kind: "memory", entries: 3, bytes: 1000, most_bytes: 2000 }],
  counts: { hits: 3, stale: 0, revalidated: 0, collapsed: 0, stored: 1, passed: 0, failed: 0 },
};

function listing(...caches: readonly ApiCache[]): string {
  return cachesText(caches, createPaint(false, false), { width: 500 });
}

test("caches are listed with what came of their Redis, where one has any", () => {
  const counts = { found: 7, missed: 2, errors: 5 };
  const redis = { url: "redis://10.0.0.1", away: true, counts };
  const lines = listing({ ...CACHE, redis }, { ...CACHE, name: "own", redis: null });
  assert.match(lines, /MEMORY REDIS FOUND THERE REDIS ERRORS\n/);
  assert.match(lines, /^pages .* away +7 +5$/m);
  assert.match(lines, /^own .* - +- +-$/m);
  assert.doesNotMatch(listing(CACHE), /REDIS/);
});
