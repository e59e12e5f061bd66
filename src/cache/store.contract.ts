import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import {
  cacheKey,
  more,
  RecordingOwner,
  readBody,
  readEntry,
  writeEntry,
} from "../../test/kit/cache-store.ts";
import { patternBytes } from "../../test/kit/pattern.ts";
import { type CacheEntry, type CacheStore, EntryState } from "./store.ts";
import { testAgainstModel } from "./store-model.contract.ts";

interface StoreLimits {
  readonly mostBytes: number;
  readonly mostEntryBytes: number;
}

export interface StoreSubject {
  readonly store: CacheStore;
  /** What was finished, removed, updated … by now has taken effect. Absent where that is so at once. */
  settled?(): Promise<void>;
  dispose?(): Promise<void>;
}

/** Makes a store with nothing in it. */
export type MakeStore = (limits: StoreLimits) => StoreSubject | Promise<StoreSubject>;

export interface StoreEffort {
  /** Sequences of random operations. */
  readonly runs: number;
}

type Subject = Required<StoreSubject>;
type Open = (t: TestContext, changes?: Partial<StoreLimits>) => Promise<Subject>;

const limits: StoreLimits = { mostBytes: 4 << 20, mostEntryBytes: 1 << 20 };
const EMPTY = Buffer.alloc(0);

/** What holds for every store, wherever its entries lie. */
export function testCacheStore(name: string, make: MakeStore, effort: StoreEffort = { runs: 30 }): void {
  const open: Open = async (t, changes = {}) => {
    const subject = await make({ ...limits, ...changes });
    const nothing = () => Promise.resolve();
    const { store, settled = nothing, dispose = nothing } = subject;
    t.after(async () => {
      await store.close();
      await dispose();
    });
    return { store, settled, dispose };
  };
  describe(`${name} as a store`, () => {
    testWriting(open);
    testUnderWay(open);
    testEnds(open);
    testReplacing(open);
    testChanges(open);
    testRoom(open);
    testAgainstModel(make, effort.runs);
  });
}

/** A body that no other seed has. */
function bodyOf(length: number, seed: number): Buffer {
  return patternBytes(length, 0, seed);
}

async function found(store: CacheStore, key: string): Promise<CacheEntry> {
  const entry = await store.find(cacheKey(key));
  assert.ok(entry, `${key} isn't found`);
  return entry;
}

async function assertFound(store: CacheStore, key: string, meta: string, body: Buffer): Promise<void> {
  const read = await readEntry(store, key);
  assert.ok(read, `${key} isn't found`);
  assert.equal(read[0], meta);
  assert.ok(read[1].equals(body), `${key} has other bytes`);
}

function testWriting(open: Open): void {
  test("finds what was written, byte by byte", async (t) => {
    const { store, settled } = await open(t);
    const sizes = [0, 1, 63, 64, 4096, 5000, 65_536, 100_000, 700_000];
    for (const announced of [true, false]) {
      for (const size of sizes)
        assert.ok(
          await writeEntry(store, `${size} ${announced}`, [`m${size}`, bodyOf(size, size)], { announced }),
        );
    }
    await settled();
    for (const announced of [true, false]) {
      for (const size of sizes)
        await assertFound(store, `${size} ${announced}`, `m${size}`, bodyOf(size, size));
    }
    assert.equal(await readEntry(store, "another"), null);
  });

  test("takes single bytes, and lends any part in pieces of any size", async (t) => {
    const { store, settled } = await open(t);
    const body = bodyOf(2500, 1);
    await writeEntry(store, "a", ["m", body], { announced: false, step: 1 });
    await settled();
    const entry = await found(store, "a");
    for (const [from, to] of [
      [0, 2500],
      [1, 2],
      [2499, 2500],
      [100, 1700],
      [0, 5000],
    ] as const)
      assert.ok((await readBody(entry, from, to, 97)).equals(body.subarray(from, to)), `${from} to ${to}`);
    assert.equal(await entry.read(2500, 3000), null);
    entry.release();
  });

  test("copies what is written, for it is borrowed", async (t) => {
    const { store, settled } = await open(t);
    const meta = Buffer.from("meta");
    const key = cacheKey("a");
    const bytes = bodyOf(3000, 1);
    const writer = store.begin(key, meta, null, new RecordingOwner());
    meta.fill(0);
    writer?.write(bytes, 1000, 2000);
    bytes.fill(0);
    key.hash.fill(0);
    writer?.finish();
    await settled();
    await assertFound(store, "a", "meta", bodyOf(3000, 1).subarray(1000, 2000));
  });

  test("tells keys apart by their text, whatever characters it has", async (t) => {
    const { store, settled } = await open(t);
    const texts = ["GET é", "GET ё", "GET 日本", ""];
    for (const text of texts) await writeEntry(store, text, [`of ${text}`, EMPTY]);
    await settled();
    for (const text of texts) await assertFound(store, text, `of ${text}`, EMPTY);
    const { hash } = cacheKey("GET é");
    assert.equal(await store.find({ text: "GET f", hash }), null);
  });

  test("counts", async (t) => {
    const { store, settled } = await open(t);
    await writeEntry(store, "a", ["m", bodyOf(1000, 1)]);
    await settled();
    await readEntry(store, "a");
    await readEntry(store, "b");
    const { entries, hits, misses, evictions, bytes, mostBytes } = store.stats;
    assert.deepEqual({ entries, hits, misses, evictions }, { entries: 1, hits: 1, misses: 1, evictions: 0 });
    assert.ok(bytes >= 1000 && bytes <= mostBytes);
  });
}

function testUnderWay(open: Open): void {
  test("is read while it is written, if it can be", async (t) => {
    const { store } = await open(t);
    const owner = new RecordingOwner();
    const writer = store.begin(cacheKey("a"), Buffer.from("m"), null, owner)!;
    if (!store.streams) {
      assert.equal(writer.open(), null);
      writer.abort();
      return;
    }
    const body = bodyOf(200_000, 1);
    const readers = [writer.open()!, await found(store, "a")];
    assert.equal(readers[0]!.state, EntryState.Writing);
    assert.equal(await readers[0]!.read(0, 10), null);
    const read = readers.map((entry) => readBody(entry));
    for (let at = 0; at < body.length; at += 30_000) {
      const told = more(await found(store, "a"), at);
      await owner.write(writer, body.subarray(at, at + 30_000));
      await told;
    }
    writer.finish();
    for (const one of await Promise.all(read)) assert.ok(one.equals(body));
    assert.equal(readers[1]!.state, EntryState.Complete);
    for (const entry of readers) entry.release();
  });

  test("tells readers that it has failed, and keeps nothing", async (t) => {
    const { store, settled } = await open(t);
    for (const end of ["abort", "finish"] as const) {
      const owner = new RecordingOwner();
      const writer = store.begin(cacheKey(end), Buffer.from("m"), 1000, owner)!;
      await owner.write(writer, bodyOf(999, 1));
      const reader = writer.open();
      const told = reader === null ? null : more(reader, 999);
      writer[end]();
      await told;
      await settled();
      if (reader !== null) {
        assert.equal(reader.state, EntryState.Failed);
        const piece = await reader.read(989, 999);
        assert.ok(piece !== null && piece.end > piece.start, "what came can be read");
        assert.equal(await reader.read(999, 1000), null);
        reader.release();
      }
      assert.equal(owner.failures.length, end === "finish" ? 1 : 0);
      assert.equal(await readEntry(store, end), null);
    }
    assert.equal(store.stats.entries, 0);
    assert.equal(store.stats.failures, 2);
  });
}

function testEnds(open: Open): void {
  test("takes no more than was announced", async (t) => {
    const { store, settled } = await open(t);
    const owner = new RecordingOwner();
    const writer = store.begin(cacheKey("a"), Buffer.from("m"), 10, owner)!;
    await owner.write(writer, bodyOf(11, 1));
    writer.finish();
    await settled();
    assert.equal(owner.failures.length, 1);
    assert.equal(await readEntry(store, "a"), null);
  });

  test("calls no listener that isn't waited for any more", async (t) => {
    const { store, settled } = await open(t);
    await writeEntry(store, "a", ["m", bodyOf(10, 1)]);
    await settled();
    const entry = await found(store, "a");
    entry.whenMore(0, () => assert.fail("another one took its place"));
    let isSync = true;
    await new Promise<void>((resolve) => {
      entry.whenMore(0, () => {
        assert.ok(!isSync);
        resolve();
      });
      isSync = false;
    });
    entry.whenMore(0, () => assert.fail("it was released"));
    entry.release();
    await new Promise((resolve) => setImmediate(resolve));
  });
}

const first = bodyOf(150_000, 1);
const second = bodyOf(90_000, 2);

function testReplacing(open: Open): void {
  test("replaces when the new one is finished; who holds the old one reads it to its end", async (t) => {
    const { store, settled } = await open(t);
    await writeEntry(store, "a", ["first", first]);
    await settled();
    const old = await found(store, "a");
    const owner = new RecordingOwner();
    const writer = store.begin(cacheKey("a"), Buffer.from("second"), null, owner)!;
    await owner.write(writer, second);
    await assertFound(store, "a", "first", first);
    writer.finish();
    await settled();
    await assertFound(store, "a", "second", second);
    assert.ok((await readBody(old)).equals(first));
    assert.equal(old.meta.toString(), "first");
    old.release();
    assert.equal(store.stats.entries, 1);
  });

  test("keeps the old one when the new one fails", async (t) => {
    const { store, settled } = await open(t);
    await writeEntry(store, "a", ["first", first]);
    await settled();
    store.begin(cacheKey("a"), Buffer.from("second"), null, new RecordingOwner())?.abort();
    await settled();
    await assertFound(store, "a", "first", first);
  });

  test("removes, also what is held and what is being written", async (t) => {
    const { store, settled } = await open(t);
    await writeEntry(store, "a", ["first", first]);
    await settled();
    const held = await found(store, "a");
    assert.equal(await store.remove(cacheKey("a")), true);
    assert.equal(await store.remove(cacheKey("a")), false);
    assert.equal(await readEntry(store, "a"), null);
    assert.ok((await readBody(held)).equals(first));
    held.release();
    if (!store.streams) return;
    const writer = store.begin(cacheKey("b"), Buffer.from("m"), null, new RecordingOwner())!;
    assert.equal(await store.remove(cacheKey("b")), true);
    writer.finish();
    await settled();
    assert.equal(await readEntry(store, "b"), null);
  });
}

function testChanges(open: Open): void {
  test("puts other meta in place, again and again, of what is still there", async (t) => {
    const { store, settled } = await open(t);
    for (const body of [EMPTY, bodyOf(700, 1), first]) {
      await writeEntry(store, "a", ["first", body]);
      await settled();
      const held = await found(store, "a");
      for (const meta of ["s", "longer than it was", "x".repeat(3000), "first again"]) {
        const entry = await found(store, "a");
        await store.update(entry, Buffer.from(meta));
        entry.release();
        await settled();
        await assertFound(store, "a", meta, body);
      }
      assert.ok((await readBody(held)).equals(body));
      await writeEntry(store, "a", ["second", second]);
      await settled();
      await store.update(held, Buffer.from("too late"));
      held.release();
      await settled();
      await assertFound(store, "a", "second", second);
    }
    assert.equal(store.stats.entries, 1);
  });

  test("is empty when it was cleared, and takes what comes", async (t) => {
    const { store, settled } = await open(t);
    const { bytes } = store.stats;
    for (const key of ["a", "b"]) await writeEntry(store, key, ["first", first]);
    await settled();
    const held = await found(store, "a");
    await store.clear();
    await settled();
    assert.equal(store.stats.entries, 0);
    assert.equal(await readEntry(store, "a"), null);
    await writeEntry(store, "a", ["second", second]);
    await settled();
    await assertFound(store, "a", "second", second);
    assert.ok((await readBody(held)).equals(first));
    held.release();
    await store.clear();
    await settled();
    assert.equal(store.stats.bytes, bytes, "all of it is given back");
  });
}

function testRoom(open: Open): void {
  test("refuses what is larger than the largest entry", async (t) => {
    const { store, settled } = await open(t, { mostEntryBytes: 50_000 });
    const body = bodyOf(50_001, 1);
    assert.equal(await writeEntry(store, "a", ["m", body]), false);
    assert.equal(await writeEntry(store, "b", ["m", body], { announced: false, step: 1000 }), false);
    await settled();
    assert.equal(await readEntry(store, "a"), null);
    assert.equal(await readEntry(store, "b"), null);
    assert.equal(store.stats.entries, 0);
    assert.ok(await writeEntry(store, "c", ["m", bodyOf(40_000, 1)], { announced: false, step: 7000 }));
  });

  test("never takes more than its bytes, and lets go of what nobody holds", async (t) => {
    const { store, settled } = await open(t, { mostEntryBytes: 300_000 });
    await writeEntry(store, "held", ["m", bodyOf(100_000, 1)]);
    await settled();
    const held = await found(store, "held");
    for (let i = 0; i < 60; i++) {
      const size = [200_000, 10_000, 300][i % 3]!;
      await writeEntry(store, `${i}`, [`m${i}`, bodyOf(size, i)], { announced: i % 2 === 0 });
      await settled();
      assert.ok(store.stats.bytes <= store.stats.mostBytes, `${store.stats.bytes} bytes`);
    }
    assert.ok(store.stats.mostBytes <= limits.mostBytes);
    assert.ok(store.stats.evictions > 0);
    assert.ok((await readBody(held)).equals(bodyOf(100_000, 1)));
    held.release();
    await assertFound(store, "59", "m59", bodyOf(300, 59));
  });
}
