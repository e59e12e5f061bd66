import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { until } from "../../../../test/kit/deadline.ts";
import {
  beginEntry,
  cacheFiles,
  diskUsage,
  get,
  openDiskCache,
  put,
  readBody,
  textKey,
} from "../../../../test/kit/disk-cache.ts";
import { createTemporaryDirectory } from "../../../../test/kit/files.ts";
import { patternBytes } from "../../../../test/kit/pattern.ts";
import { createRandom } from "../../../../test/kit/random.ts";
import { testCacheStore } from "../../store.contract.ts";
import { EntryState, type Piece } from "../../store.ts";
import { Head } from "./disk-memory.ts";
import { FileCalls } from "./file-calls.ts";
import { Ownership } from "./ownership.ts";
import { isRunning, thisProcess } from "./this-process.ts";

testCacheStore(
  "disk",
  async (limits) => {
    const folder = await createTemporaryDirectory();
    const { store, keeper } = await openDiskCache(folder.join("cache"), limits);
    const dispose = async (): Promise<void> => {
      await keeper.close();
      await folder[Symbol.asyncDispose]();
    };
    return { store, settled: () => store.settled(), dispose };
  },
  { runs: 6 },
);

const BLOCK = 64 * 1024;
const SIZES = [0, 1, 13, 4096, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 5 * BLOCK + 777];

test("gives what it was given, also to the next process", async () => {
  await using folder = await createTemporaryDirectory();
  const path = folder.join("cache");
  {
    await using cache = await openDiskCache(path);
    for (const size of SIZES) await put(cache.store, `${size}`, patternBytes(size, 0, size));
    await check(cache.store);
    assert.equal(cache.store.stats.entries, SIZES.length);
    assert.equal(cache.store.stats.bytes, await diskUsage(path));
  }
  await using cache = await openDiskCache(path, { isReady: false });
  await check(cache.store);
  await cache.keeper.ready;
  assert.equal(cache.store.stats.entries, SIZES.length);
  assert.equal((await cacheFiles(path)).length, SIZES.length);
  assert.equal(cache.store.stats.bytes, await diskUsage(path));
  assert.deepEqual(cache.problems, []);
});

async function check(store: Parameters<typeof get>[0]): Promise<void> {
  for (const size of SIZES) {
    const found = await get(store, `${size}`);
    assert.equal(found?.meta, `meta of ${size}`);
    assert.ok(found.body.equals(patternBytes(size, 0, size)), `${size}`);
  }
  assert.equal(await get(store, "nothing"), null);
}

test("can be read while it is written, by who keeps up and who doesn't", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  const body = patternBytes(20 * BLOCK + 5);
  const writer = beginEntry(cache.store, "a", "its meta");
  const own = writer.open()!;
  writer.write(body, 0, 10);
  const found = await cache.store.find(textKey("a"));
  assert.equal(found?.meta.toString(), "its meta");
  assert.deepEqual([found.state, found.length], [EntryState.Writing, 10]);
  const piece = found.read(0, 100) as Piece;
  assert.deepEqual(piece.bytes.subarray(piece.start, piece.end), body.subarray(0, 10));
  const keepsUp = readBody(found);
  for (let at = 10; at < body.length; at += 30_000) {
    writer.write(body, at, Math.min(at + 30_000, body.length));
    await setImmediate();
  }
  const late = readBody(own);
  const third = (await cache.store.find(textKey("a")))!;
  assert.ok(
    (await readBody(third, 3 * BLOCK - 7, 4 * BLOCK)).equals(body.subarray(3 * BLOCK - 7, 4 * BLOCK)),
  );
  writer.finish();
  assert.ok((await keepsUp).equals(body));
  assert.ok((await late).equals(body));
  found.release();
  own.release();
  third.release();
});

test("tells readers of an entry that is given up, and keeps nothing of it", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  const before = cache.store.stats.bytes;
  const writer = beginEntry(cache.store, "a");
  writer.write(Buffer.alloc(100_000), 0, 100_000);
  const entry = (await cache.store.find(textKey("a")))!;
  const reading = readBody(entry);
  writer.abort();
  await assert.rejects(reading, /failed/);
  await cache.store.settled();
  const piece = await entry.read(99_990, 100_000);
  assert.equal(piece!.end - piece!.start, 10, "what came can be read, also what isn't on the disk");
  assert.equal(await entry.read(100_000, 100_001), null);
  entry.release();
  assert.equal(await cache.store.find(textKey("a")), null);
  await cache.store.close();
  assert.deepEqual(cache.problems, []);
  assert.equal(cache.store.stats.bytes, before);
  assert.deepEqual(await readdir(join(cache.folder, "under-way")), []);
});

test("keeps what is read until it was, and counts it as long", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  await put(cache.store, "a", patternBytes(5 * BLOCK));
  const entry = (await cache.store.find(textKey("a")))!;
  const { bytes } = cache.store.stats;
  await put(cache.store, "a", Buffer.from("another"));
  assert.deepEqual((await get(cache.store, "a"))?.body.toString(), "another");
  assert.ok(await cache.store.remove(textKey("a")));
  assert.equal(await cache.store.remove(textKey("a")), false);
  assert.equal(cache.store.stats.bytes, bytes);
  assert.ok((await readBody(entry)).equals(patternBytes(5 * BLOCK)));
  entry.release();
  await cache.keeper.inspect();
  assert.equal(cache.store.stats.bytes, await diskUsage(cache.folder));
  assert.equal(cache.store.stats.entries, 0);
});

test("lets go of nothing that it couldn't look at", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  await put(cache.store, "a", Buffer.from("a"));
  const [file = ""] = await cacheFiles(cache.folder);
  const shard = dirname(file);
  await rename(shard, folder.join("aside"));
  await symlink(shard, shard);
  await cache.keeper.inspect();
  assert.deepEqual(
    cache.problems.map(({ code }) => code),
    ["ELOOP"],
  );
  await unlink(shard);
  await rename(folder.join("aside"), shard);
  assert.equal((await get(cache.store, "a"))?.body.toString(), "a");
});

test("puts other meta in place, and believes the older one where the newer is torn", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  await put(cache.store, "a", Buffer.from("body"), "first");
  for (const meta of ["second", "third", "fourth"]) {
    const entry = (await cache.store.find(textKey("a")))!;
    await cache.store.update(entry, Buffer.from(meta));
    entry.release();
    assert.equal((await get(cache.store, "a"))?.meta, meta);
  }
  await overwrite((await cacheFiles(cache.folder))[0]!, "fourth", "four__");
  assert.deepEqual(await get(cache.store, "a"), { meta: "third", body: Buffer.from("body") });
});

test("takes no file for what it isn't, and removes it", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  const injuries: Record<string, (path: string) => Promise<void>> = {
    head: (path) => overwrite(path, "SLUICEC1", "SLUICEC9"),
    key: (path) => overwrite(path, "key", "yek"),
    body: (path) => overwrite(path, "body", "bodo"),
    end: (path) => overwrite(path, "SLUICEE1", "SLUICEE2"),
    "cut off": (path) => truncate(path, 200),
    empty: (path) => truncate(path, 0),
    vanished: (path) => unlink(path),
  };
  for (const [name, injure] of Object.entries(injuries)) {
    await put(cache.store, "key", Buffer.from("the body"), "meta of it");
    await injure((await cacheFiles(cache.folder))[0]!);
    assert.equal(await get(cache.store, "key"), null, name);
    assert.equal(await cache.store.remove(textKey("key")), false, name);
    await cache.store.settled();
    assert.deepEqual(await cacheFiles(cache.folder), [], name);
  }
  assert.deepEqual(
    cache.problems.map(({ code }) => code),
    ["DAMAGED"],
  );
});

test("finds a damaged block of a long body when it is read, and others are read before", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  const body = patternBytes(4 * BLOCK);
  await put(cache.store, "a", body);
  const [path = ""] = await cacheFiles(cache.folder);
  await using file = await open(path, "r+");
  await file.write(
    Buffer.from([body[3 * BLOCK]! ^ 1]),
    0,
    1,
    (await readFile(path)).indexOf(body) + 3 * BLOCK,
  );
  const entry = (await cache.store.find(textKey("a")))!;
  assert.ok(
    (await readBody(entry, 2 * BLOCK + 1, 3 * BLOCK)).equals(body.subarray(2 * BLOCK + 1, 3 * BLOCK)),
  );
  await assert.rejects(readBody(entry, 3 * BLOCK + 5, 3 * BLOCK + 6), /damaged in block 3/);
  entry.release();
  assert.equal(await get(cache.store, "a"), null);
});

async function overwrite(path: string, from: string, to: string): Promise<void> {
  const bytes = await readFile(path);
  const at = bytes.lastIndexOf(from);
  assert.notEqual(at, -1);
  await writeFile(
    path,
    Buffer.concat([bytes.subarray(0, at), Buffer.from(to), bytes.subarray(at + to.length)]),
  );
}

test("keeps within its bound whatever comes, and what is asked for stays", async () => {
  await using folder = await createTemporaryDirectory();
  const mostBytes = 4 * 1024 * 1024;
  await using cache = await openDiskCache(folder.join("cache"), { mostBytes });
  const { store } = cache;
  const random = createRandom(5);
  let most = 0;
  await put(store, "wanted", patternBytes(50_000));
  for (let round = 0; round < 40; round++) {
    const puts = Array.from({ length: 5 }, (_, i) =>
      put(store, `${round} ${i}`, patternBytes(random.below(200_000))),
    );
    most = Math.max(most, await diskUsage(cache.folder));
    await Promise.all(puts);
    assert.ok((await get(store, "wanted")) !== null, `${round}`);
  }
  assert.ok(most <= mostBytes, `${most}`);
  assert.ok(store.stats.evictions > 100);
  await store.close();
  assert.equal(store.stats.bytes, await diskUsage(cache.folder));
  assert.ok(store.stats.bytes > 0.9 * mostBytes, "it uses what it may");
  assert.equal(store.stats.entries, (await cacheFiles(cache.folder)).length);
});

test("has the room for all of a body of known length before it comes, and gives back what didn't", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"), { mostBytes: 4 * 1024 * 1024 });
  const { store } = cache;
  const before = store.stats.bytes;
  const long = patternBytes(500_000);
  const writer = beginEntry(store, "a", "meta", long.length);
  await until("it is counted", () => store.stats.bytes >= before + long.length);
  for (let i = 0; i < 10; i++) await put(store, `${i}`, patternBytes(400_000));
  writer.write(long, 0, long.length);
  writer.finish();
  await store.settled();
  assert.ok((await get(store, "a"))?.body.equals(long));
  assert.ok(store.stats.evictions > 0);
  beginEntry(store, "b", "meta", long.length).abort();
  await store.close();
  assert.equal(store.stats.bytes, await diskUsage(cache.folder));
});

test("takes over a folder that is larger than it may be, with what dead processes left", async () => {
  await using folder = await createTemporaryDirectory();
  const path = folder.join("cache");
  {
    await using cache = await openDiskCache(path);
    for (let i = 0; i < 30; i++) await put(cache.store, `${i}`, patternBytes(100_000, 0, i));
  }
  const name = `${"0".repeat(32)}-${"0".repeat(16)}`;
  await folder.write(`cache/under-way/${name}.4194399.1`, Buffer.alloc(300_000));
  await folder.write(`cache/00/${name}`, "no file of ours");
  const mostBytes = 2_000_000;
  await using cache = await openDiskCache(path, { mostBytes });
  assert.equal(await cache.store.find(textKey("late")), null);
  await cache.store.close();
  assert.equal(cache.store.stats.bytes, await diskUsage(path));
  assert.ok(cache.store.stats.bytes <= mostBytes && cache.store.stats.entries >= 10);
  assert.deepEqual(await readdir(join(path, "under-way")), []);
});

test("of two files of a key the later one counts", async () => {
  await using folder = await createTemporaryDirectory();
  const path = folder.join("cache");
  {
    await using cache = await openDiskCache(path);
    await put(cache.store, "a", Buffer.from("earlier"));
    const [file = ""] = await cacheFiles(path);
    const bytes = await readFile(file);
    await put(cache.store, "a", Buffer.from("later"));
    await cache.store.close();
    await writeFile(file, bytes);
  }
  await using cache = await openDiskCache(path, { isReady: false });
  assert.equal((await get(cache.store, "a"))?.body.toString(), "later");
  await cache.keeper.ready;
  assert.equal((await cacheFiles(path)).length, 1);
});

test("makes its index anew when a thread died in the middle of a change", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  for (let i = 0; i < 5; i++) await put(cache.store, `${i}`, Buffer.from(`${i}`));
  const entry = (await cache.store.find(textKey("1")))!;
  new Int32Array(cache.memory)[Head.IsBeingChanged] = 1;
  assert.equal(await get(cache.store, "0"), null, "whoever finds that out has a miss");
  assert.equal((await get(cache.store, "0"))?.body.toString(), "0");
  assert.equal((await get(cache.store, "4"))?.body.toString(), "4");
  assert.equal(cache.store.begin(textKey("b"), Buffer.alloc(1), 1, { onDrain() {}, onFailure() {} }), null);
  await cache.keeper.look();
  assert.equal(cache.store.stats.entries, 5);
  new Int32Array(cache.memory)[Head.IsBroken] = 1;
  await get(cache.store, "0");
  await cache.keeper.look();
  assert.equal(cache.store.stats.entries, 5, "and also when it is found to be wrong");
  await put(cache.store, "b", Buffer.from("b"));
  assert.equal((await readBody(entry)).toString(), "1");
  entry.release();
  await cache.store.close();
  assert.equal(cache.store.stats.bytes, await diskUsage(cache.folder));
});

test("leaves a disk alone for a while that can't be written, and says so once until it is over", async () => {
  await using folder = await createTemporaryDirectory();
  let now = 1_000_000;
  const calls = new FullDisk();
  await using cache = await openDiskCache(folder.join("cache"), { calls, now: () => now });
  calls.isFull = true;
  for (let i = 0; i < 3; i++)
    await assert.rejects(put(cache.store, "a", Buffer.alloc(10)), /ENOSPC/u).catch(() => undefined);
  await assert.rejects(put(cache.store, "b", Buffer.alloc(10)), /refused/);
  assert.deepEqual(
    cache.problems.map(({ code }) => code),
    ["ENOSPC"],
  );
  calls.isFull = false;
  now += 20_000;
  await put(cache.store, "a", Buffer.alloc(10));
  assert.ok(await get(cache.store, "a"));
  now += 50_000;
  calls.isFull = true;
  await assert.rejects(put(cache.store, "b", Buffer.alloc(10)), /ENOSPC/u);
  assert.equal(cache.problems.length, 2, "it comes again");
});

class FullDisk extends FileCalls {
  isFull = false;

  override writeAt(descriptor: number, buffers: Buffer[], position: number): Promise<void> {
    if (!this.isFull) return super.writeAt(descriptor, buffers, position);
    return Promise.reject(Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" }));
  }
}

test("a folder is one process's, and who waits for it has nothing until it is theirs", async () => {
  await using folder = await createTemporaryDirectory();
  const path = folder.join("cache");
  // A process that runs, and isn't this one.
  const other = new Ownership(path, `${process.ppid}.0`, "other");
  {
    await using cache = await openDiskCache(path);
    await put(cache.store, "a", Buffer.from("a"));
    await put(cache.store, "b", Buffer.from("b"));
    await other.claim();
    await cache.keeper.look();
    assert.equal(await get(cache.store, "a"), null);
    assert.match(cache.problems[0]!.message, /somebody has taken/);
    await assert.rejects(put(cache.store, "c", Buffer.from("c")), /refused/);
  }
  const code = "IN_USE";
  await assert.rejects(openDiskCache(path), { code, message: new RegExp(`by process ${process.ppid}:`) });
  const missed: string[] = [];
  const waitsFor = (pid: number): boolean => pid === process.ppid;
  const onMissed = (text: string): number => missed.push(text);
  await using cache = await openDiskCache(path, { keeper: { waitsFor }, isReady: false, onMissed });
  assert.equal(cache.store.find(textKey("a")), null);
  assert.equal(await cache.store.remove(textKey("b")), false);
  assert.deepEqual(missed, ["b"]);
  await rename(join(path, "owner"), folder.join("owner"));
  await symlink("owner", join(path, "owner"));
  await cache.keeper.look();
  assert.equal(cache.store.find(textKey("a")), null, "it isn't nobody's because nobody can tell whose it is");
  assert.equal(cache.problems.length, 1);
  await rename(folder.join("owner"), join(path, "owner"));
  await other.release();
  await cache.keeper.look();
  assert.equal((await get(cache.store, "a"))?.body.toString(), "a");
  await put(cache.store, "c", Buffer.from("c"));
});

test("a folder is nobody's whose process has ended, also before anybody has asked how", async () => {
  await using folder = await createTemporaryDirectory();
  using shell = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"]);
  const [line] = (await once(shell.stdout, "data")) as [Buffer];
  const pid = Number(line.toString());
  const fields = (await readFile(`/proc/${pid}/stat`, "latin1")).split(") ")[1]!.split(" ");
  const name = `${pid}.${fields[19]}`;
  await until("it has ended", () => !isRunning(name));
  await mkdir(folder.join("cache"));
  await new Ownership(folder.join("cache"), name, "other").claim();
  assert.equal(await new Ownership(folder.join("cache"), thisProcess(), "one").look(), "nobody");
});

test("nothing is made in a folder before it is time, and all of it anew when it was removed", async () => {
  await using folder = await createTemporaryDirectory();
  const path = folder.join("cache");
  let isTime = false;
  await using cache = await openDiskCache(path, { keeper: { mayBegin: () => isTime }, isReady: false });
  await assert.rejects(put(cache.store, "a", Buffer.from("a")), /refused/);
  assert.deepEqual((await readdir(path)).sort(), ["sluice-cache", "under-way"]);
  assert.deepEqual(
    new Set(cache.keeper.files),
    new Set([path, join(path, "sluice-cache"), join(path, "under-way")]),
  );
  isTime = true;
  await cache.keeper.look();
  await put(cache.store, "a", Buffer.from("a"));
  await rm(path, { recursive: true });
  await cache.keeper.look();
  assert.equal(await get(cache.store, "a"), null);
  await put(cache.store, "a", Buffer.from("again"));
  assert.equal(cache.store.stats.bytes, await diskUsage(path));
});

test("what is removed isn't kept where it is still being written, nor current any more", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  await put(cache.store, "a", Buffer.from("older"));
  const entry = (await cache.store.find(textKey("a")))!;
  assert.equal(cache.store.isCurrent(entry), true);
  const writer = beginEntry(cache.store, "a");
  writer.finish();
  assert.equal(await cache.store.remove(textKey("a")), true);
  await cache.store.settled();
  assert.equal(cache.store.isCurrent(entry), false);
  entry.release();
  assert.equal(await get(cache.store, "a"), null);
});

test("refuses folders that it can't have", async () => {
  await using folder = await createTemporaryDirectory();
  await folder.write("foreign/diary.txt", "dear diary");
  await folder.write("file", "");
  await folder.write("other/sluice-cache", "Sluice cache, format 2\n");
  await mkdir(folder.join("open"), { mode: 0o777 });
  await chmod(folder.join("open"), 0o777);
  const codes = {
    foreign: "FOREIGN_FILES",
    file: "NO_FOLDER",
    other: "OTHER_FORMAT",
    open: "OPEN_TO_OTHERS",
    "file/x": "NOT_WRITABLE",
    "a/b": "MISSING",
  };
  for (const [name, code] of Object.entries(codes))
    await assert.rejects(openDiskCache(folder.join(name)), { name: "DiskFolderError", code }, name);
});

test("nobody else can read what it has", async () => {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"));
  await put(cache.store, "a", Buffer.from("a"));
  for (const name of ["", ...(await readdir(cache.folder, { recursive: true }))]) {
    const { mode } = await stat(join(cache.folder, name));
    assert.equal(mode & 0o077, 0, name);
  }
});
