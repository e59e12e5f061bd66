import { isDeepStrictEqual } from "node:util";
import { allocateCaches, type CacheMemory, forgetThread } from "../cache/cache-memory.ts";
import type { CacheSettings } from "../cache/cache-settings.ts";

interface Known {
  readonly settings: CacheSettings;
  readonly memory: CacheMemory;
  readonly rows: number;
}

/** The memory of caches that programs make: threads that make one of the same name and size share it, now or after a reload. */
export class ProgramCaches {
  readonly #known = new Map<string, Known>();

  /**
   * @param rows of threads that there may be
   * @throws RangeError when it can't be as large, or as small
   */
  open(settings: CacheSettings, rows: number): CacheMemory {
    const { name } = settings;
    const known = this.#known.get(name);
    if (known !== undefined && isDeepStrictEqual(known.settings.memory, settings.memory)) return known.memory;
    const memory = allocateCaches([settings], rows)[name]!;
    // One of another size began anew; threads that have the former go on with it.
    this.#known.set(name, { settings, memory, rows });
    return memory;
  }

  /** A thread is gone: what it held is let go of. To be called before its row is another's. */
  forgetThread(row: number): void {
    for (const { settings, memory, rows } of this.#known.values())
      forgetThread([settings], { [settings.name]: memory }, row, rows);
  }
}
