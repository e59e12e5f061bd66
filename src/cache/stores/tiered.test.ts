import assert from "node:assert/strict";
import { test } from "node:test";
import { cacheKey, readEntry, writeEntry } from "../../../test/kit/cache-store.ts";
import { type DiskCache, openDiskCache, readBody } from "../../../test/kit/disk-cache.ts";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { patternBytes } from "../../../test/kit/pattern.ts";
import { testCacheStore } from "../store.contract.ts";
import { type CacheEntry, type CacheKey, EntryState } from "../store.ts";
import { MemoryStore } from "./memory/memory-store.ts";
import { allocateMemoryStore } from "./memory/store-memory.ts";
import { TieredStore } from "./tiered.ts";

const MIB = 1 << 20;
const LEAST_MEMORY = 1 << 18;

testCacheStore(
  "memory before disk",
  async (limits) => {
    const folder = await createTemporaryDirectory();
    const above = Math.max(LEAST_MEMORY, limits.mostBytes / 4);
    const mostBytes = limits.mostBytes - above;
    const disk = await openDiskCache(folder.join("cache"), { ...limits, mostBytes });
    const upper = new MemoryStore(allocateMemoryStore({ ...limits, mostBytes: above, rows: 1 }), 0);
    const store = new TieredStore({ upper, lower: disk.store, mostUpperBytes: 50_000 });
    const settled = async (): Promise<void> => {
      await disk.store.settled();
      await store.settled();
    };
    const dispose = async (): Promise<void> => {
      await disk.keeper.close();
      await folder[Symbol.asyncDispose]();
    };
    return { store, settled, dispose };
  },
  { runs: 6 },
);

interface Tiers extends AsyncDisposable {
  readonly upper: MemoryStore;
  readonly disk: DiskCache;
  readonly store: TieredStore;
  settled(): Promise<void>;
}

async function openTiers(): Promise<Tiers> {
  const folder = await createTemporaryDirectory();
  const disk = await openDiskCache(folder.join("cache"), { mostBytes: 16 * MIB });
  const upper = new MemoryStore(allocateMemoryStore({ mostBytes: 4 * MIB, rows: 1, mostEntryBytes: MIB }), 0);
  const store = new TieredStore({ upper, lower: disk.store, mostUpperBytes: 500_000 });
  const settled = async (): Promise<void> => {
    await disk.store.settled();
    await store.settled();
  };
  const close = async (): Promise<void> => {
    await store.close();
    await disk.keeper.close();
    await folder[Symbol.asyncDispose]();
  };
  return { upper, disk, store, settled, [Symbol.asyncDispose]: close };
}

test("what is asked for comes up, where it isn't too long", async () => {
  await using tiers = await openTiers();
  const { upper, store } = tiers;
  const sizes = [0, 1, 60_000, 300_000, 500_001];
  for (const size of sizes)
    await writeEntry(store, `${size}`, ["m", patternBytes(size)], { announced: false });
  await tiers.settled();
  assert.equal(upper.stats.entries, 0, "nobody knew how long they would be");
  for (const size of sizes) {
    const entry = await readEntry(store, `${size}`);
    assert.ok(entry?.[1].equals(patternBytes(size)), `${size}`);
    await tiers.settled();
    assert.equal((await readEntry(upper, `${size}`))?.[1].length, size > 500_000 ? undefined : size);
  }
});

test("what was removed or replaced on its way up doesn't come back", async () => {
  await using tiers = await openTiers();
  const { store, upper } = tiers;
  for (const way of ["remove", "replace"] as const) {
    await writeEntry(store, "a", ["first", patternBytes(400_000)], { announced: false });
    await tiers.settled();
    const entry = (await store.find(cacheKey("a")))!;
    if (way === "remove") await store.remove(cacheKey("a"));
    else await writeEntry(store, "a", ["second", patternBytes(10)]);
    entry.release();
    await tiers.settled();
    assert.notEqual((await readEntry(upper, "a"))?.[0], "first");
    assert.equal((await readEntry(store, "a"))?.[0], way === "remove" ? undefined : "second");
    await store.clear();
  }
});

test("what is removed below on its way up doesn't stay there, and whoever reads it gets all of it", async () => {
  await using tiers = await openTiers();
  const { store, upper, disk } = tiers;
  await writeEntry(store, "a", ["first", patternBytes(400_000)], { announced: false });
  await tiers.settled();
  const entry = (await store.find(cacheKey("a")))!;
  assert.equal(entry.state, EntryState.Writing);
  // As another thread does, which has come past the memory before it was there.
  await disk.store.remove(cacheKey("a"));
  assert.ok((await readBody(entry)).equals(patternBytes(400_000)));
  entry.release();
  await tiers.settled();
  assert.equal(await readEntry(upper, "a"), null);
  assert.equal(await readEntry(store, "a"), null);
});

test("what is removed while it is looked for below doesn't come up", async (t) => {
  await using tiers = await openTiers();
  const { store, upper, disk } = tiers;
  await writeEntry(store, "a", ["first", patternBytes(400_000)], { announced: false });
  await tiers.settled();
  const found = Promise.withResolvers<CacheEntry | null>();
  const removed = Promise.withResolvers<void>();
  const find = disk.store.find.bind(disk.store);
  t.mock.method(disk.store, "find", async (key: CacheKey) => {
    found.resolve(find(key));
    await removed.promise;
    return found.promise;
  });
  const finding = store.find(cacheKey("a"));
  await found.promise;
  await store.remove(cacheKey("a"));
  removed.resolve();
  const entry = (await finding)!;
  assert.equal(upper.find(cacheKey("a")), null);
  assert.ok((await readBody(entry)).equals(patternBytes(400_000)));
  entry.release();
});

test("an older entry doesn't come back when the newer one goes", async () => {
  await using tiers = await openTiers();
  const { disk, store, upper } = tiers;
  await writeEntry(store, "a", ["first", Buffer.alloc(10)]);
  await writeEntry(store, "b", ["first", Buffer.alloc(10)]);
  await tiers.settled();
  await writeEntry(store, "a", ["second", patternBytes(10)], { announced: false });
  await tiers.settled();
  assert.equal((await readEntry(store, "a"))?.[0], "second");
  await disk.keeper.close();
  await writeEntry(store, "b", ["second", Buffer.alloc(10)]);
  await tiers.settled();
  upper.clear();
  assert.equal(await readEntry(store, "b"), null);
});
