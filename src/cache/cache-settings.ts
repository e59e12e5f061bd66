import type { FillSettings } from "./fills/fill-table.ts";

/** One cache of a process, which all of its threads share. Plain data. */
export interface CacheSettings extends CacheStores {
  /** What listeners and routes call it by. */
  readonly name: string;
  /** By which `Cache-Status` calls it: a token. */
  readonly label: string;
  readonly fills: FillSettings;
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

/** What of the settings says where responses are kept: with others there are other stores. */
export function storesOf({
  name: _name,
  label: _label,
  fills: _fills,
  ...stores
}: CacheSettings): CacheStores {
  return stores;
}
