import type { Logger } from "pino";
import { type AlarmClock, idleAlarms } from "../base/alarms.ts";
import { describeThrown } from "../base/errors.ts";
import type { CacheMemories, CacheMemory } from "../cache/cache-memory.ts";
import type { CacheSettings } from "../cache/cache-settings.ts";
import { DiskKeeper } from "../cache/stores/disk/disk-keeper.ts";
import { futureUser } from "../plugins/future-user.ts";
import { STORE_PROBLEM } from "../worker/cache-reports.ts";
import { ProgramCaches } from "./program-caches.ts";
import type { ReadyPart } from "./reload/part.ts";

/** Tells keepers apart that want the same folder one after the other. */
let lastMark = 0;

/** The folder of a cache. */
interface Kept {
  readonly keeper: DiskKeeper;
  /** Its index, by which it is known: with another one it begins anew. */
  readonly memory: SharedArrayBuffer;
}

/**
 * Looks after what caches keep beyond the process, once for all threads: their folders.
 *
 *     stage ─┬─▶ commit: those that are no more are let go of, and whoever waits for their folders takes them
 *            └─▶ abandon
 */
export class CacheKeepers {
  readonly #log: Logger;
  readonly #predecessor: number | null;
  readonly #clock: AlarmClock;
  /** The memory of caches that programs make. */
  readonly programs: ProgramCaches = new ProgramCaches();
  #kept: ReadonlyMap<string, Kept> = new Map();

  /** @param predecessor the process whose place this one takes: its folders are waited for; null: there is none */
  constructor(log: Logger, predecessor: number | null, clock: AlarmClock = idleAlarms) {
    this.#log = log;
    this.#predecessor = predecessor;
    this.#clock = clock;
  }

  /** What this process has made, and will touch again as whoever it is then. */
  get files(): readonly string[] {
    return [...this.#kept.values()].flatMap(({ keeper }) => keeper.files);
  }

  /**
   * Opens the folders of caches; one whose memory is as before stays as it is.
   * Rejects with what is wrong with one of them, having changed nothing.
   */
  async stage(caches: readonly CacheSettings[], memories: CacheMemories): Promise<ReadyPart> {
    const before = this.#kept;
    const after = new Map<string, Kept>();
    const isNew = ([name, kept]: [string, Kept]): boolean => before.get(name) !== kept;
    const abandon = (): Promise<void> => closeAll([...after].filter(isNew));
    try {
      for (const cache of caches) {
        const kept = await this.#keep(cache, memories[cache.name]!);
        if (kept !== null) after.set(cache.name, kept);
      }
    } catch (error) {
      await abandon();
      throw error;
    }
    return {
      commit: async () => {
        this.#kept = after;
        await closeAll([...before].filter(([name, kept]) => after.get(name) !== kept));
      },
      abandon,
    };
  }

  /** A thread is gone: what it wrote won't be whole, and what it held is let go of. */
  forgetThread(row: number): void {
    this.programs.forgetThread(row);
    for (const { keeper } of this.#kept.values()) keeper.forgetThread(row);
  }

  /** Others may have the folders, and nothing more is found in them here. Never rejects. */
  async close(): Promise<void> {
    try {
      await closeAll([...this.#kept]);
    } catch (error) {
      this.#log.error({ cause: describeThrown(error) }, "A cache's folder can't be left as it should be");
    }
  }

  async #keep({ name, disk }: CacheSettings, { disk: memory, purges }: CacheMemory): Promise<Kept | null> {
    if (disk === null || memory === null) return null;
    const known = this.#kept.get(name);
    if (known?.memory === memory) return known;
    const keeper = await DiskKeeper.open({
      ...{ folder: disk.path, memory, purges },
      ...{ clock: this.#clock, now: Date.now, mark: `${++lastMark}` },
      waitsFor: (pid) => pid === this.#predecessor,
      // What was made as root, who it becomes could neither change nor remove.
      mayBegin: () => !("uid" in futureUser()),
      onProblem: ({ message }) => this.#log.error({ cache: name, problem: message }, STORE_PROBLEM),
    });
    return { keeper, memory };
  }
}

async function closeAll(kept: readonly (readonly [string, Kept])[]): Promise<void> {
  await Promise.all(kept.map(([, { keeper }]) => keeper.close()));
}
