/** The entry of a thread that does random things to a memory store, and checks every byte that it reads. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { seededRandom } from "../../src/base/random.ts";
import { type CacheEntry, EntryState } from "../../src/cache/store.ts";
import { MemoryStore } from "../../src/cache/stores/memory/memory-store.ts";
import { cacheKey, RecordingOwner, readBody } from "./cache-store.ts";
import { patternBytes } from "./pattern.ts";

export interface CacheThreadData {
  readonly buffer: SharedArrayBuffer;
  readonly row: number;
  readonly seed: string;
  /** Without end when it is 0. */
  readonly operations: number;
}

/** What it has seen. */
export interface CacheThreadReport {
  readonly read: number;
  /** Of those: while they were written. */
  readonly underWay: number;
  readonly failed: number;
}

const KEYS = 60;
const SIZES = [0, 13, 300, 3000, 20_000, 90_000];
const LANES = 4;

const { buffer, row, seed, operations } = workerData as CacheThreadData;
const store = new MemoryStore(buffer, row);
const random = seededRandom(seed);
const report = { read: 0, underWay: 0, failed: 0 };

function upTo(most: number): number {
  return Math.floor(random.next() * most);
}

async function write(key: string): Promise<void> {
  const size = SIZES[upTo(SIZES.length)]!;
  const start = upTo(30_000);
  const meta = Buffer.from(`${key} ${size} ${start}`.padEnd(upTo(400), " "));
  const writer = store.begin(cacheKey(key), meta, random.next() < 0.5 ? size : null, new RecordingOwner());
  if (writer === null) return;
  const body = patternBytes(size, start);
  const step = 1 + upTo(size);
  for (let at = 0; at < size; at += step) {
    writer.write(body, at, Math.min(size, at + step));
    if (random.next() < 0.5) await nextTurn();
  }
  if (random.next() < 0.1) writer.abort();
  else writer.finish();
}

/** What an entry is, is said by its meta. */
async function read(key: string): Promise<void> {
  const entry = store.find(cacheKey(key));
  if (entry === null) return;
  const wasUnderWay = entry.state === EntryState.Writing;
  await check(entry, key);
  if (random.next() < 0.2) {
    await nextTurn();
    await check(entry, key);
  }
  entry.release();
  report.read++;
  if (wasUnderWay) report.underWay++;
}

async function check(entry: CacheEntry, key: string): Promise<void> {
  const [of, size, start] = entry.meta.toString().split(" ");
  assert.equal(of, key);
  const body = await readBody(entry, 0, Number.MAX_SAFE_INTEGER, 1 + upTo(50_000));
  if (entry.state === EntryState.Failed) report.failed++;
  else assert.equal(body.length, Number(size));
  assert.ok(body.equals(patternBytes(body.length, Number(start))), `other bytes of ${key}`);
}

async function update(key: string): Promise<void> {
  const entry = store.find(cacheKey(key));
  if (entry === null) return;
  store.update(entry, Buffer.from(`${entry.meta.toString().trimEnd()} ${"u".repeat(upTo(600))}`));
  entry.release();
}

async function walk(): Promise<void> {
  for (let i = 0; operations === 0 || i < operations; i++) {
    const key = `/${Math.floor(KEYS * random.next() ** 2)}`;
    const chance = random.next();
    if (chance < 0.3) await write(key);
    else if (chance < 0.4) await update(key);
    else if (chance < 0.43) store.remove(cacheKey(key));
    else if (chance < 0.4305) store.clear();
    else await read(key);
    if (i % 16 === 0) await nextTurn();
  }
}

parentPort!.postMessage("begun");
// Who waits for another thread's bytes has nothing that keeps it alive.
const alive = setInterval(() => {}, 1000);
await Promise.all(Array.from({ length: LANES }, walk));
clearInterval(alive);
await store.close();
parentPort!.postMessage(report satisfies CacheThreadReport);
