import type { FillSettings } from "./fills/fill-table.ts";

/** One cache of a process, which all of its threads share. Plain data. */
export interface CacheSettings {
  /** What listeners and routes call it by. */
  readonly name: string;
  /** By which `Cache-Status` calls it: a token. */
  readonly label: string;
  readonly memory: CacheMemorySettings;
  readonly fills: FillSettings;
}

interface CacheMemorySettings {
  /** Bytes of all that it takes. */
  readonly mostBytes: number;
  /** Bytes of the largest entry. */
  readonly mostEntryBytes: number;
}
