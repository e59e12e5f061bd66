import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import {
  beginEntry,
  type DiskCache,
  diskUsage,
  get,
  openDiskCache,
  put,
  readBody,
  textKey,
} from "../../../../test/kit/disk-cache.ts";
import { createTemporaryDirectory } from "../../../../test/kit/files.ts";
import { patternBytes } from "../../../../test/kit/pattern.ts";
import { EntryState } from "../../store.ts";
import type { DiskEntry } from "./disk-entry.ts";
import { DiskIndex } from "./disk-index.ts";
import { Sum, viewDiskMemory } from "./disk-memory.ts";
import { DiskStore } from "./disk-store.ts";

/** The store as another thread has it: all that it shares with the first one is the index and the files. */
function openSecond({ folder, memory, problems }: DiskCache, thread = 1): DiskStore {
  const onProblem = (problem: (typeof problems)[number]): number => problems.push(problem);
  return new DiskStore({ folder, memory, thread, now: Date.now, onProblem });
}

test("another thread reads along, from before there is a file until it is complete", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  const second = openSecond(cache);
  for (const length of [0, 10, 300_000]) {
    const body = patternBytes(length);
    const writer = beginEntry(cache.store, `${length}`, "meta");
    const finding = second.find(textKey(`${length}`));
    writer.write(body, 0, length >> 1);
    const entry = (await finding)!;
    assert.equal(entry.meta.toString(), "meta");
    const reading = readBody(entry);
    await setImmediate();
    writer.write(body, length >> 1, length);
    writer.finish();
    assert.ok((await reading).equals(body), `${length}`);
    assert.equal(entry.state, EntryState.Complete);
    entry.release();
    assert.ok((await get(second, `${length}`))?.body.equals(body));
  }
  await second.close();
});

test("what a thread wrote that died has failed, and leaves nothing", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  const second = openSecond(cache);
  await put(cache.store, "held", patternBytes(1000));
  const held = (await second.find(textKey("held")))!;
  const writer = beginEntry(second, "a");
  writer.write(Buffer.alloc(1000), 0, 1000);
  const entry = (await cache.store.find(textKey("a")))!;
  const reading = readBody(entry);
  cache.keeper.forgetThread(1);
  await assert.rejects(reading, /failed/);
  entry.release();
  held.release();
  assert.equal(await cache.store.find(textKey("a")), null);
  assert.ok(await cache.store.remove(textKey("held")));
  await second.close();
  await cache.store.settled();
  await cache.keeper.inspect();
  assert.equal(cache.store.stats.bytes, await diskUsage(cache.folder));
});

test("what one thread has open counts though another one removed it", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  const second = openSecond(cache);
  await put(cache.store, "a", patternBytes(500_000));
  const entry = (await second.find(textKey("a")))!;
  const { bytes } = cache.store.stats;
  await cache.store.remove(textKey("a"));
  assert.equal(cache.store.stats.bytes, bytes);
  assert.ok((await readBody(entry)).equals(patternBytes(500_000)));
  entry.release();
  await second.settled();
  assert.ok(cache.store.stats.bytes < bytes - 500_000);
  await second.close();
});

test("what is read still is counted once though two remove its file, as who follow a dead thread do", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  const memory = viewDiskMemory(cache.memory);
  await put(cache.store, "a", patternBytes(500_000));
  const entry = (await cache.store.find(textKey("a")))! as DiskEntry;
  await cache.store.remove(textKey("a"));
  assert.equal(memory.sums[Sum.Leaving], 0);
  new DiskIndex(memory, 7).gone(entry.file.place);
  assert.equal(memory.sums[Sum.Leaving], 0);
  entry.release();
});

test("another thread hears of new meta, also while it has the file open", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  const second = openSecond(cache);
  await put(cache.store, "a", Buffer.from("a"), "before");
  const open = (await second.find(textKey("a")))!;
  const entry = (await cache.store.find(textKey("a")))!;
  await cache.store.update(entry, Buffer.from("after"));
  entry.release();
  assert.equal((await get(second, "a"))?.meta, "after");
  assert.equal(open.meta.toString(), "before");
  open.release();
  await second.close();
});

test("threads beyond the thirty-second hold for themselves what they have open", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"), { threads: 65 });
  const others = [32, 64].map((thread) => openSecond(cache, thread));
  const body = patternBytes(500_000);
  await put(cache.store, "a", body);
  const entries = await Promise.all([cache.store, ...others].map((store) => store.find(textKey("a"))));
  const { bytes } = cache.store.stats;
  await cache.store.remove(textKey("a"));
  // What one of them lets go of, or dies with, the others still have.
  entries[0]!.release();
  await cache.store.settled();
  cache.keeper.forgetThread(32);
  assert.equal(cache.store.stats.bytes, bytes);
  assert.ok((await readBody(entries[2]!)).equals(body));
  entries[2]!.release();
  await others[1]!.settled();
  assert.ok(cache.store.stats.bytes < bytes - 500_000);
  entries[1]!.release();
  for (const store of others) await store.close();
});
