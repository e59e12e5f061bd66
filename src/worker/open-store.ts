import type { CacheMemory } from "../cache/cache-memory.ts";
import type { CacheSettings } from "../cache/cache-settings.ts";
import { PurgeKind } from "../cache/purges/purge.ts";
import type { PurgeList } from "../cache/purges/purge-list.ts";
import type { CacheStore } from "../cache/store.ts";
import { DiskStore } from "../cache/stores/disk/disk-store.ts";
import { MemoryStore } from "../cache/stores/memory/memory-store.ts";
import { TieredStore } from "../cache/stores/tiered.ts";

/** The store of a cache as one thread has it. */
export interface OpenedStore {
  readonly store: CacheStore;
  /** What it is made of, the quickest first. */
  readonly layers: readonly StoreLayer[];
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
}

/**
 * Opens what a cache is kept in; the only place that knows which kinds of stores there are.
 * @param memory what the threads share of it
 */
export function openStore(settings: CacheSettings, memory: CacheMemory, means: StoreMeans): OpenedStore {
  const layers = [openMemory(settings, memory, means), openDisk(settings, memory, means)].filter(
    (layer) => layer !== null,
  );
  return { store: inTiers(layers), layers };
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
  // What should go while the folder is another process's, may be there when it is ours.
  const onMissed = (text: string): void => void purges.add({ kind: PurgeKind.Key, text, isSoft: false });
  const store = new DiskStore({ folder, memory, thread, now: Date.now, onProblem, onMissed });
  return { kind: "disk", store, mostEntryBytes };
}

/** Each before the next one. */
function inTiers([first, ...others]: readonly StoreLayer[]): CacheStore {
  if (first === undefined) throw new RangeError("A cache has nowhere to keep anything");
  if (others.length === 0) return first.store;
  const { store: upper, mostEntryBytes: mostUpperBytes } = first;
  return new TieredStore({ upper, lower: inTiers(others), mostUpperBytes });
}

/** What the layers say together: of most that is in one, the slower have it too. */
export function largestEntry(layers: readonly StoreLayer[]): number {
  return Math.max(...layers.map(({ mostEntryBytes }) => mostEntryBytes));
}
