import assert from "node:assert/strict";
import { test } from "node:test";
import { cacheKey, writeEntry } from "../../test/kit/cache-store.ts";
import type { CacheSettings } from "../cache/cache-settings.ts";
import { FILL_DEFAULTS } from "../cache/fills/fill-settings.ts";
import { MemoryStore } from "../cache/stores/memory/memory-store.ts";
import { ProgramCaches } from "./program-caches.ts";

function settingsOf(name: string, mostBytes: number): CacheSettings {
  const memory = { mostBytes, mostEntryBytes: mostBytes / 8, hostShare: 1 };
  return { name, label: "sluice", memory, disk: null, redis: null, fills: FILL_DEFAULTS };
}

test("threads share what has one name and size, and take over what a dead one held", async () => {
  const caches = new ProgramCaches();
  const memory = caches.open(settingsOf("a", 2 ** 20), 2);
  assert.equal(caches.open(settingsOf("a", 2 ** 20), 2), memory);
  assert.notEqual(caches.open(settingsOf("b", 2 ** 20), 2), memory);
  const [dead, living] = [new MemoryStore(memory.memory!, 0, 100), new MemoryStore(memory.memory!, 1, 101)];
  const { bytes } = living.stats;
  await writeEntry(dead, "k", ["m", Buffer.from("body")]);
  dead.find(cacheKey("k"));
  caches.forgetThread(0);
  assert.equal(living.remove(cacheKey("k")), true);
  assert.equal(living.stats.bytes, bytes, "nobody holds it any more");
  assert.notEqual(caches.open(settingsOf("a", 2 ** 21), 2), memory);
  assert.throws(() => caches.open(settingsOf("c", 1), 2), RangeError);
});
