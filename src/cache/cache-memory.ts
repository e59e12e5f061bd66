import { randomFillSync } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { allocateCacheCounts } from "./cache-counts.ts";
import { type CacheDiskSettings, type CacheSettings, storesOf } from "./cache-settings.ts";
import { allocateFills } from "./fills/fill-memory.ts";
import { forgetThread as forgetFills } from "./fills/fill-table.ts";
import { allocateInvalidations } from "./invalidations.ts";
import { allocatePredictor } from "./predictor.ts";
import { createPurges } from "./purges/purge-list.ts";
import { allocateDiskMemory, type DiskBounds } from "./stores/disk/disk-memory.ts";
import { MemoryStore } from "./stores/memory/memory-store.ts";
import { allocateMemoryStore } from "./stores/memory/store-memory.ts";

/** Keys that can be fetched at once, over all threads; beyond that requests go to their servers alone. */
const MOST_FILLS = 16_384;
/** Keys that are known to be uncacheable at once. */
const MOST_PREDICTED = 65_536;

/** What all threads know of a cache. It can be posted to threads. */
export interface CacheMemory {
  /** Of the hash of its keys: 128 bits in four words, drawn for each cache anew. */
  readonly secret: readonly number[];
  /** What each of its stores is kept in, or finds its files by; null: it has none of that kind. */
  readonly memory: SharedArrayBuffer | null;
  readonly disk: SharedArrayBuffer | null;
  readonly fills: SharedArrayBuffer;
  readonly predictor: SharedArrayBuffer;
  readonly purges: SharedArrayBuffer;
  readonly invalidations: SharedArrayBuffer;
  readonly counts: SharedArrayBuffer;
}

/** The memory of caches by their names. */
export type CacheMemories = Readonly<Record<string, CacheMemory>>;

/**
 * Memory for caches.
 * @param rows of threads that may use it at once; one more is for whoever looks after them, by the number `rows`
 * @throws RangeError when one can't be as large, or as small
 */
export function allocateCaches(settings: readonly CacheSettings[], rows: number): CacheMemories {
  return Object.fromEntries(settings.map((one) => [one.name, allocateCache(one, rows)]));
}

/** Memory of caches that come after others. */
export interface NextCacheMemory {
  readonly memories: CacheMemories;
  /** Those of the same name as before that are empty again. */
  readonly begunAnew: readonly string[];
}

/**
 * The memory of caches that come after others: one of the same name keeps its entries unless its stores are others.
 * @throws RangeError as `allocateCaches` does
 */
export function nextCaches(
  before: readonly CacheSettings[],
  memories: CacheMemories,
  after: readonly CacheSettings[],
  rows: number,
): NextCacheMemory {
  const known = new Map(before.map((cache) => [cache.name, cache]));
  const isKept = (cache: CacheSettings): boolean => {
    const former = known.get(cache.name);
    return former !== undefined && isDeepStrictEqual(storesOf(former), storesOf(cache));
  };
  return {
    memories: Object.fromEntries(
      after.map((cache) => {
        const { name } = cache;
        return [name, isKept(cache) ? memories[name]! : allocateCache(cache, rows)];
      }),
    ),
    begunAnew: after.filter((cache) => known.has(cache.name) && !isKept(cache)).map(({ name }) => name),
  };
}

function allocateCache({ name, memory, disk }: CacheSettings, rows: number): CacheMemory {
  return {
    secret: [...randomFillSync(new Int32Array(4))],
    memory: memory && named(name, () => allocateMemoryStore({ ...memory, rows: rows + 1 })),
    disk: disk && named(name, () => allocateDiskMemory(toBounds(disk, rows + 1))),
    fills: allocateFills(MOST_FILLS),
    predictor: allocatePredictor(MOST_PREDICTED),
    purges: createPurges(Date.now()),
    invalidations: allocateInvalidations(),
    counts: allocateCacheCounts(rows + 1),
  };
}

function toBounds(
  { mostBytes, mostEntryBytes, mostEntries }: CacheDiskSettings,
  threads: number,
): DiskBounds {
  return { mostBytes, mostEntryBytes, mostEntries: mostEntries ?? undefined, threads };
}

function named(name: string, allocate: () => SharedArrayBuffer): SharedArrayBuffer {
  try {
    return allocate();
  } catch (error) {
    throw new RangeError(`The cache ${name}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * A thread is gone: what it held is let go of, and what it fetched is fetched by others. To be called by the one that looks after
 * them, before the row is another's.
 */
export function forgetThread(
  settings: readonly CacheSettings[],
  memories: CacheMemories,
  row: number,
  rows: number,
): void {
  for (const { name, fills } of settings) {
    const memory = memories[name]!;
    // Opening the row's own store says so: nobody else has it.
    if (memory.memory !== null) void new MemoryStore(memory.memory, row).close();
    forgetFills(memory.fills, row, rows, fills.mostTries);
  }
}
