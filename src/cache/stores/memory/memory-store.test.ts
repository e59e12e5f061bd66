import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import {
  cacheKey,
  more,
  RecordingOwner,
  readBody,
  readEntry,
  writeEntry,
} from "../../../../test/kit/cache-store.ts";
import type { CacheThreadData, CacheThreadReport } from "../../../../test/kit/cache-thread.ts";
import { patternBytes } from "../../../../test/kit/pattern.ts";
import { testCacheStore } from "../../store.contract.ts";
import { EntryState } from "../../store.ts";
import { DoorBells } from "./door-bells.ts";
import { MemoryStore } from "./memory-store.ts";
import { allocateMemoryStore, Header, StoreMemory } from "./store-memory.ts";

const MIB = 1 << 20;
/** At least as many as `test/kit/cache-thread.ts` has. */
const CACHE_THREAD_KEYS = 100;

testCacheStore("memory", (limits) => ({
  store: new MemoryStore(allocateMemoryStore({ ...limits, rows: 2 }), 0),
}));

/** A store as `rows` threads see it, all of them this one. */
function openRows(mostBytes: number, rows: number): { buffer: SharedArrayBuffer; stores: MemoryStore[] } {
  const buffer = allocateMemoryStore({ mostBytes, rows, mostEntryBytes: mostBytes });
  return { buffer, stores: Array.from({ length: rows }, (_, row) => new MemoryStore(buffer, row)) };
}

/** Writes entries of that size until some go, and a few more. */
async function fill(store: MemoryStore, size: number, round: number): Promise<void> {
  const enough = store.stats.evictions + 5;
  const body = patternBytes(size);
  for (let i = 0; store.stats.evictions < enough; i++)
    assert.ok(await writeEntry(store, `${round} ${i}`, ["meta", body]));
}

describe("the room of a memory store", () => {
  test("takes less than 300 bytes more than what a small entry has", async () => {
    const { stores } = openRows(2 * MIB, 1);
    const [store] = stores as [MemoryStore];
    const key = "GET https://www.example.com/a/path/of/usual/length?with=query&i=";
    const meta = "m".repeat(300);
    const { bytes: tables } = store.stats;
    for (let i = 0; i < 100_000 && store.stats.evictions === 0; i++)
      await writeEntry(store, `${key}${i}`, [meta, patternBytes(13)]);
    const { entries, bytes, mostBytes } = store.stats;
    // Tables are there for entries of 512 bytes: their share of what is there for one of these is added.
    const share = (tables * bytes) / mostBytes;
    assert.ok(
      (bytes - tables + share) / entries - 313 < 300,
      `${(bytes - tables + share) / entries - 313} bytes`,
    );
  });

  test("loses nothing to what was stored before, whatever sizes that had", async () => {
    const { stores } = openRows(2 * MIB, 1);
    const [store] = stores as [MemoryStore];
    const sizes = [900, 30_000, 200, 150_000, 3000, 70_000];
    for (let round = 0; round < 18; round++) {
      await fill(store, sizes[round % sizes.length]!, round);
      const { bytes, mostBytes } = store.stats;
      assert.ok(bytes > 0.9 * mostBytes, `${bytes} of ${mostBytes} bytes in round ${round}`);
      // What stays lies here and there.
      for (let i = 0; i < 10_000; i++) if (i % 7 !== 0) store.remove(cacheKey(`${round} ${i}`));
    }
  });

  test("holds as many entries as a thread has places for, and no more", async () => {
    const { stores } = openRows(MIB, 2);
    const [store, other] = stores as [MemoryStore, MemoryStore];
    await writeEntry(store, "a", ["m", Buffer.alloc(1)]);
    const held = Array.from({ length: 300 }, () => store.find(cacheKey("a"))).filter(
      (entry) => entry !== null,
    );
    assert.equal(held.length, 256);
    assert.equal(store.begin(cacheKey("b"), Buffer.alloc(1), 1, new RecordingOwner()), null);
    other.find(cacheKey("a"))!.release();
    for (const entry of held) entry.release();
    assert.ok(await writeEntry(store, "b", ["m", Buffer.alloc(1)]));
  });

  test("leaves alone what the thread holds by another of its stores, and takes the places that one left", async () => {
    const { stores, buffer } = openRows(MIB, 1);
    const [before] = stores as [MemoryStore];
    const body = patternBytes(9000);
    await writeEntry(before, "a", ["m", body]);
    const held = Array.from({ length: 200 }, () => before.find(cacheKey("a"))!);
    const after = new MemoryStore(buffer, 0);
    after.remove(cacheKey("a"));
    await fill(after, 5000, 0);
    for (const [i, entry] of held.entries()) {
      if (i === 100) assert.ok((await readBody(entry)).equals(body));
      entry.release();
    }
    await writeEntry(after, "b", ["m", body]);
    const all = Array.from({ length: 300 }, () => after.find(cacheKey("b"))).filter(
      (entry) => entry !== null,
    );
    assert.equal(all.length, 256);
    for (const entry of all) entry.release();
    (before.find(cacheKey("b")) ?? assert.fail("no place")).release();
  });

  test("refuses what it has no room for because all is held", async () => {
    const { stores } = openRows(MIB, 1);
    const [store] = stores as [MemoryStore];
    const owner = new RecordingOwner();
    const writer = store.begin(cacheKey("a"), Buffer.from("m"), null, owner)!;
    for (let i = 0; i < 20; i++) await owner.write(writer, Buffer.alloc(60_000));
    assert.match(owner.failures.join(), /no room/);
    assert.equal(store.stats.entries, 0);
    assert.ok(await writeEntry(store, "b", ["m", Buffer.alloc(500_000)]));
  });

  test("leaves nothing of what it has begun to take when there is no room for its end", () => {
    const { stores } = openRows(4 * MIB, 1);
    const [store] = stores as [MemoryStore];
    const owner = new RecordingOwner();
    // Sizes of chunks have gaps: what is a little longer than this one has two of them.
    const body = patternBytes(3000);
    const first = store.begin(cacheKey("first"), Buffer.from("m"), body.length, owner)!;
    first.write(body, 0, body.length);
    first.finish();
    const held = store.find(cacheKey("first"))!;
    for (const size of [400_000, 16_000, 3000, 1000, 300, 100, 1])
      for (let i = 0; store.begin(cacheKey(`${size} ${i}`), Buffer.from("m"), size, owner) !== null; ) i++;
    held.release();
    assert.equal(store.begin(cacheKey("longer"), Buffer.from("m"), 3250, owner), null);
    assert.equal(store.stats.evictions, 1);
    assert.equal(store.find(cacheKey("longer")), null);
  });

  test("has all the room for what it begins to take, or doesn't begin, where the length is known", async () => {
    const { stores } = openRows(MIB, 2);
    const [store, other] = stores as [MemoryStore, MemoryStore];
    const { bytes: empty } = store.stats;
    const owner = new RecordingOwner();
    const half = patternBytes(500_000);
    const widest = Buffer.alloc(3000, "m");
    const wide = store.begin(cacheKey("more head than body"), widest, 10, owner)!;
    wide.write(half, 0, 10);
    const head = other.find(cacheKey("more head than body")) ?? assert.fail("not found");
    assert.equal(head.length, 10);
    head.release();
    wide.finish();
    store.clear();
    const first = store.begin(cacheKey("first"), Buffer.from("m"), half.length, owner)!;
    const reader = other.find(cacheKey("first")) ?? assert.fail("not found");
    assert.ok(store.stats.bytes > empty + half.length);
    assert.equal(store.begin(cacheKey("second"), Buffer.from("m"), half.length, owner), null);
    assert.equal(store.stats.refused, 1);
    // All that can be evicted is.
    for (let i = 0; i < 100; i++) await writeEntry(other, `${i}`, ["m", patternBytes(30_000)]);
    for (let at = 0; at < half.length; at += 50_000) await owner.write(first, half.subarray(at, at + 50_000));
    first.finish();
    assert.deepEqual(owner.failures, []);
    assert.ok((await readBody(reader)).equals(half));
    reader.release();
    assert.ok(await writeEntry(store, "second", ["m", half]));
    store.clear();
    assert.equal(store.stats.bytes, empty);
  });

  test("needs a size that something fits into", () => {
    assert.throws(() => allocateMemoryStore({ mostBytes: 1000, rows: 1 }), RangeError);
    assert.throws(() => allocateMemoryStore({ mostBytes: 262_144, rows: 1000 }), RangeError);
  });
});

describe("a memory store whose thread has ended", () => {
  test("lets go of what it held, and tells who reads what it wrote", async () => {
    const { stores, buffer } = openRows(MIB, 3);
    const [store, dead] = stores as [MemoryStore, MemoryStore];
    const { bytes } = store.stats;
    await writeEntry(store, "held", ["m", Buffer.alloc(1000)]);
    dead.find(cacheKey("held"));
    dead
      .begin(cacheKey("written"), Buffer.from("m"), null, new RecordingOwner())!
      .write(Buffer.alloc(10), 0, 10);
    const reader = store.find(cacheKey("written"))!;
    const told = more(reader, 10);
    // Its successor.
    new MemoryStore(buffer, 1, 99);
    await told;
    assert.equal(reader.state, EntryState.Failed);
    assert.equal(store.find(cacheKey("written")), null);
    reader.release();
    store.clear();
    assert.equal(store.stats.bytes, bytes);
  });

  test("goes without it while it was inside, and begins anew when that is said", async () => {
    const { stores, buffer } = openRows(MIB, 2);
    const [store] = stores as [MemoryStore];
    const { bytes } = store.stats;
    const body = patternBytes(40_000);
    for (const key of ["held", "let go", "another"]) await writeEntry(store, key, ["m", body]);
    const held = store.find(cacheKey("held"))!;
    // Its body is another record's from now on.
    store.update(held, Buffer.from("other meta"));
    const letGo = store.find(cacheKey("let go"))!;
    const writer = store.begin(cacheKey("b"), Buffer.from("m"), null, new RecordingOwner())!;
    new Int32Array(buffer)[Header.Lock] = (2 << 20) | 1;
    assert.equal(store.find(cacheKey("another")), null);
    assert.equal(store.begin(cacheKey("new"), Buffer.from("m"), 0, new RecordingOwner()), null);
    letGo.release();
    writer.finish();
    store.forgetThread(1);
    assert.equal(store.find(cacheKey("another")), null, "nothing is left");
    await fill(store, 5000, 0);
    assert.ok((await readBody(held)).equals(body), "but what is held");
    await writeEntry(store, "another", ["m", body]);
    assert.ok((await readEntry(store, "another"))?.[1].equals(body));
    held.release();
    store.clear();
    assert.equal(store.stats.bytes, bytes);
  });
});

test("a bell rings for what came before it was listened to", async () => {
  const memory = new StoreMemory(allocateMemoryStore({ mostBytes: MIB, rows: 1 }));
  const bells = new DoorBells(memory, 0);
  await new Promise<void>((resolve) => {
    bells.wait({ recordAt: memory.wordOf(0), isDue: () => true, ring: resolve });
  });
  bells.close();
});

test("a bell that is closed rings for those that wait already", async () => {
  const memory = new StoreMemory(allocateMemoryStore({ mostBytes: MIB, rows: 1 }));
  const bells = new DoorBells(memory, 0);
  const recordAt = memory.wordOf(0);
  let isDue = false;
  const rung = new Promise<void>((resolve) => {
    bells.wait({ recordAt, isDue: () => isDue, ring: resolve });
  });
  bells.close();
  await new Promise(setImmediate);
  isDue = true;
  bells.tell(recordAt);
  await rung;
});

describe("a memory store in threads", () => {
  function start(buffer: SharedArrayBuffer, row: number, operations: number): Worker {
    const workerData: CacheThreadData = { buffer, row, seed: `${row}`, operations };
    return new Worker(new URL("../../../../test/kit/cache-thread.ts", import.meta.url), { workerData });
  }

  function reportOf(worker: Worker): Promise<CacheThreadReport> {
    return new Promise((resolve, reject) => {
      worker.on("error", reject);
      worker.on("message", (message) => message === "begun" || resolve(message));
    });
  }

  test("has the right bytes for all of them, also when one is killed", async () => {
    const buffer = allocateMemoryStore({ mostBytes: MIB, rows: 3, mostEntryBytes: 200_000 });
    const store = new MemoryStore(buffer, 2);
    const { bytes } = store.stats;
    const mortal = start(buffer, 1, 0);
    const begun = new Promise((resolve) => mortal.once("message", resolve));
    const living = start(buffer, 0, 700);
    const report = reportOf(living);
    await begun;
    living.once("message", () => void mortal.terminate());
    await new Promise((resolve) => mortal.once("exit", resolve));
    store.forgetThread(1);
    assert.ok((await report).read > 0);
    for (let i = 0; i < CACHE_THREAD_KEYS; i++) store.remove(cacheKey(`/${i}`));
    assert.equal(store.stats.entries, 0);
    assert.equal(store.stats.bytes, bytes, "everything was given back");
  });
});
