import type { FillSettings } from "./fills/fill-settings.ts";

/** One cache of a process, which all of its threads share. Plain data. */
export interface CacheSettings extends CacheStores {
  /** What listeners and routes call it by. */
  readonly name: string;
  /** By which `Cache-Status` calls it: a token. */
  readonly label: string;
  readonly fills: FillSettings;
  /** Null: this machine has it for itself. */
  readonly redis: CacheRedisSettings | null;
}

/** Where a cache keeps its responses: at least one of these, the quicker before the slower. */
export interface CacheStores {
  readonly memory: CacheMemorySettings | null;
  readonly disk: CacheDiskSettings | null;
}

export interface CacheMemorySettings {
  /** Bytes of all that it takes. */
  readonly mostBytes: number;
  /** Bytes of the largest entry. */
  readonly mostEntryBytes: number;
  /** Of the memory, the share from which on a host makes room by its own entries alone; 1: however much it has. */
  readonly hostShare: number;
}

export interface CacheDiskSettings {
  /** The folder, which is the cache's alone. */
  readonly path: string;
  /** Bytes of all that it takes on the disk. */
  readonly mostBytes: number;
  /** Bytes of the largest file. */
  readonly mostEntryBytes: number;
  /** Null: as the store finds right for so many bytes. */
  readonly mostEntries: number | null;
}

/** Where machines share a cache. */
export interface CacheRedisSettings {
  /** `redis://`, `rediss://` or `redis+unix://`. */
  readonly url: string;
  /** What keys begin with; the cache's name comes behind it. */
  readonly prefix: string;
  /** Milliseconds that a request waits at most. */
  readonly timeout: number;
  /** Bytes of the longest body that is shared. */
  readonly mostBodyBytes: number;
}

/** What of the settings says where this machine keeps responses: with others there are other stores. */
export function storesOf({
  name: _name,
  label: _label,
  fills: _fills,
  redis: _redis,
  ...stores
}: CacheSettings): CacheStores {
  return stores;
}
