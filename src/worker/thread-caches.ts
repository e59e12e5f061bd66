import { idleAlarms } from "../base/alarms.ts";
import { CacheCounts } from "../cache/cache-counts.ts";
import type { CacheMemory } from "../cache/cache-memory.ts";
import type { CacheSettings } from "../cache/cache-settings.ts";
import { FillTable } from "../cache/fills/fill-table.ts";
import { Invalidations } from "../cache/invalidations.ts";
import { Predictor } from "../cache/predictor.ts";
import { PurgeList } from "../cache/purges/purge-list.ts";
import { HttpCache } from "../proxy/caching/http-cache.ts";
import { type OpenedStore, openStore, type StoreMeans } from "./open-store.ts";
import { routedSnapshot } from "./run-spec.ts";
import type { ThreadRun } from "./thread-run.ts";

/** The caches of a configuration, as one thread sees them. */
export class ThreadCaches {
  readonly byName: ReadonlyMap<string, HttpCache>;
  /** What each is kept in. */
  readonly stores: ReadonlyMap<string, OpenedStore>;

  /**
   * @param onProblem hears what goes wrong with stores
   * @param before caches whose place these take: stores live on whose memory is the same
   * @param same caches whose memory is the same as before
   */
  constructor(
    { spec, shared, row }: Pick<ThreadRun, "spec" | "shared" | "row">,
    onProblem: (cache: string, problem: string) => void,
    before: ThreadCaches | null = null,
    same: readonly string[] = [],
  ) {
    const caches = routedSnapshot(spec)?.caches ?? [];
    const stores = new Map<string, OpenedStore>();
    const open = (cache: CacheSettings): [string, HttpCache] => {
      const { name } = cache;
      const memory = shared.caches[name];
      if (memory === undefined) throw new RangeError(`The cache ${name} has no memory`);
      // A thread has one store in each memory: another one would take what the first holds for what a dead thread held.
      const known = same.includes(name) ? before?.stores.get(name) : undefined;
      const purges = new PurgeList(memory.purges, row);
      const means: StoreMeans = { row, purges, onProblem: ({ message }) => onProblem(name, message) };
      const opened = known ?? openStore(cache, memory, means);
      stores.set(name, opened);
      return [name, openCache(cache, memory, row, opened)];
    };
    this.byName = new Map(caches.map(open));
    this.stores = stores;
  }

  /** Closes the stores that `others` don't have. Kept when all that was stored is, and all that was removed. */
  async close(others: ThreadCaches | null = null): Promise<void> {
    const staying = new Set(others?.stores.values());
    const ending = [...this.stores.values()].filter((opened) => !staying.has(opened));
    await Promise.all(ending.map(({ store }) => store.close()));
  }
}

function openCache(
  { label, fills }: CacheSettings,
  memory: CacheMemory,
  row: number,
  { store }: OpenedStore,
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
