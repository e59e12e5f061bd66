import { idleAlarms } from "../base/alarms.ts";
import { CacheCounts } from "../cache/cache-counts.ts";
import type { CacheMemory } from "../cache/cache-memory.ts";
import type { CacheSettings } from "../cache/cache-settings.ts";
import { FillTable } from "../cache/fills/fill-table.ts";
import { Invalidations } from "../cache/invalidations.ts";
import { Predictor } from "../cache/predictor.ts";
import { PurgeList } from "../cache/purges/purge-list.ts";
import type { CacheStore } from "../cache/store.ts";
import { MemoryStore } from "../cache/stores/memory/memory-store.ts";
import { HttpCache } from "../proxy/caching/http-cache.ts";
import { routedSnapshot } from "./run-spec.ts";
import type { ThreadRun } from "./thread-run.ts";

/** The caches of a configuration, as one thread sees them. */
export class ThreadCaches {
  readonly byName: ReadonlyMap<string, HttpCache>;

  /**
   * @param before caches whose place these take: stores live on whose memory is the same
   * @param same caches whose memory is the same as before
   */
  constructor(
    run: Pick<ThreadRun, "spec" | "shared" | "row">,
    before: ThreadCaches | null = null,
    same: readonly string[] = [],
  ) {
    const caches = routedSnapshot(run.spec)?.caches ?? [];
    this.byName = new Map(
      caches.map((cache) => {
        const { name } = cache;
        const memory = run.shared.caches[name];
        if (memory === undefined) throw new RangeError(`The cache ${name} has no memory`);
        // A thread has one store in each memory: another one would take what the first holds for what a dead thread held.
        const known = same.includes(name) ? before?.byName.get(name)?.store : undefined;
        return [name, openCache(cache, memory, run.row, known ?? new MemoryStore(memory.store, run.row))];
      }),
    );
  }

  /** Closes the stores that `others` don't have. */
  close(others: ThreadCaches | null = null): void {
    const staying = new Set([...(others?.byName.values() ?? [])].map(({ store }) => store));
    for (const { store } of this.byName.values()) if (!staying.has(store)) void store.close();
  }
}

function openCache(
  { label, fills }: CacheSettings,
  memory: CacheMemory,
  row: number,
  store: CacheStore,
): HttpCache {
  const predictor = new Predictor(memory.predictor);
  return new HttpCache({
    store,
    fills: new FillTable(memory.fills, row, fills, { clock: idleAlarms, predictor }),
    secret: memory.secret,
    purges: new PurgeList(memory.purges, row),
    invalidations: new Invalidations(memory.invalidations),
    counts: new CacheCounts(memory.counts, row),
    name: label,
  });
}
