import { hash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { idleAlarms } from "../base/alarms.ts";
import type { Random } from "../base/random.ts";
import { CacheCounts } from "../cache/cache-counts.ts";
import type { CacheMemory } from "../cache/cache-memory.ts";
import type { CacheSettings } from "../cache/cache-settings.ts";
import { Invalidations } from "../cache/invalidations.ts";
import { isSameResponse, withBodyLength } from "../cache/kept-meta.ts";
import { isMeta } from "../cache/meta-view.ts";
import { Predictor } from "../cache/predictor.ts";
import { PurgeKind } from "../cache/purges/purge.ts";
import type { PurgeList } from "../cache/purges/purge-list.ts";
import type { CacheStore } from "../cache/store.ts";
import { DiskStore } from "../cache/stores/disk/disk-store.ts";
import { MemoryStore } from "../cache/stores/memory/memory-store.ts";
import { RedisShare, type RedisShareReport } from "../cache/stores/redis/redis-share.ts";
import { TieredStore } from "../cache/stores/tiered.ts";

/** The store of a cache as one thread has it. */
export interface OpenedStore {
  readonly store: CacheStore;
  /** What this machine has for itself: all of it, unless others share it. */
  readonly near: CacheStore;
  /** What that is made of, the quickest first. */
  readonly layers: readonly StoreLayer[];
  /** Null: nobody shares it. */
  readonly redis: RedisShare | null;
}

/** One kind of store in a cache. */
export interface StoreLayer {
  /** As configurations call it. */
  readonly kind: "memory" | "disk";
  readonly store: CacheStore;
  /** Bytes of the largest entry. */
  readonly mostEntryBytes: number;
}

/** What stores need of a thread. */
export interface StoreMeans {
  /** The thread's number, which no other one has that lives. */
  readonly row: number;
  readonly purges: PurgeList;
  /** Hears what goes wrong, once of each kind of trouble: the cache goes on as well as it can. */
  readonly onProblem: (problem: { readonly message: string }) => void;
  readonly redis: RedisShareReport;
  /** For pauses, so that machines that lose one Redis don't all come back at once. */
  readonly random: Random;
}

/**
 * Opens what a cache is kept in; the only place that knows which kinds of stores there are.
 * @param memory what the threads share of it
 * @param known what this thread has of the same memory already: it goes on
 */
export function openStore(
  settings: CacheSettings,
  memory: CacheMemory,
  means: StoreMeans,
  known: OpenedStore | null = null,
): OpenedStore {
  const layers = known?.layers ?? openLayers(settings, memory, means);
  const near = known?.near ?? inTiers(layers);
  const before = known?.redis ?? null;
  const isShared = isDeepStrictEqual(settings.redis, before?.settings ?? null);
  const redis = isShared ? before : openRedis(settings, memory, means, near);
  return { store: redis?.store ?? near, near, layers, redis };
}

/** Closes what another one doesn't have. Kept when all that was stored is, and all that was removed. */
export async function closeStore({ near, redis }: OpenedStore, other: OpenedStore | null): Promise<void> {
  if (redis !== null && redis !== other?.redis) redis.close();
  if (near !== other?.near) await near.close();
}

function openLayers(settings: CacheSettings, memory: CacheMemory, means: StoreMeans): StoreLayer[] {
  return [openMemory(settings, memory, means), openDisk(settings, memory, means)].filter(
    (layer) => layer !== null,
  );
}

function openRedis(
  { name, redis }: CacheSettings,
  memory: CacheMemory,
  { row, purges, redis: report, random }: StoreMeans,
  near: CacheStore,
): RedisShare | null {
  if (redis === null) return null;
  return new RedisShare(name, redis, {
    ...{ near, purges, clock: idleAlarms, random, report },
    invalidations: new Invalidations(memory.invalidations),
    predictor: new Predictor(memory.predictor),
    counts: new CacheCounts(memory.counts, row),
    // All threads have to call it the same.
    machine: hash("sha256", Int32Array.from(memory.secret), "hex").slice(0, MACHINE_DIGITS),
  });
}

function openMemory(
  { memory: settings }: CacheSettings,
  { memory }: CacheMemory,
  { row }: StoreMeans,
): StoreLayer | null {
  if (settings === null || memory === null) return null;
  const { mostEntryBytes } = settings;
  return { kind: "memory", store: new MemoryStore(memory, row), mostEntryBytes };
}

function openDisk(
  { disk: settings }: CacheSettings,
  { disk: memory }: CacheMemory,
  { row: thread, purges, onProblem }: StoreMeans,
): StoreLayer | null {
  if (settings === null || memory === null) return null;
  const { path: folder, mostEntryBytes } = settings;
  // What should go while the folder is another process's, may be there when it is ours. Purged are URLs, in all variants.
  const onMissed = (key: string): void => {
    const [text = key] = key.split("\n", 1);
    purges.add({ kind: PurgeKind.Key, text, isSoft: false });
  };
  const store = new DiskStore({ folder, memory, thread, now: Date.now, onProblem, onMissed, isMeta });
  return { kind: "disk", store, mostEntryBytes };
}

/** Each before the next one. */
function inTiers([first, ...others]: readonly StoreLayer[]): CacheStore {
  if (first === undefined) throw new RangeError("A cache has nowhere to keep anything");
  if (others.length === 0) return first.store;
  const { store: upper, mostEntryBytes: mostUpperBytes } = first;
  const metas = { isSame: isSameResponse, toUpper: withBodyLength };
  return new TieredStore({ upper, lower: inTiers(others), mostUpperBytes, ...metas });
}

const MACHINE_DIGITS = 16;

/** What the layers say together: of most that is in one, the slower have it too. */
export function largestEntry(layers: readonly StoreLayer[]): number {
  return Math.max(...layers.map(({ mostEntryBytes }) => mostEntryBytes));
}
