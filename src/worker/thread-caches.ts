import { seededRandom } from "../base/random.ts";
import type { CacheSettings } from "../cache/cache-settings.ts";
import { PurgeList } from "../cache/purges/purge-list.ts";
import type { HttpCache } from "../proxy/caching/http-cache.ts";
import { openHttpCache } from "../proxy/caching/open-cache.ts";
import type { CacheReports } from "./cache-reports.ts";
import { closeStore, type OpenedStore, openStore, type StoreMeans } from "./open-store.ts";
import { routedSnapshot } from "./run-spec.ts";
import type { ThreadRun } from "./thread-run.ts";

/** The caches of a configuration, as one thread sees them. */
export class ThreadCaches {
  readonly byName: ReadonlyMap<string, HttpCache>;
  /** What each is kept in. */
  readonly stores: ReadonlyMap<string, OpenedStore>;

  /**
   * @param reports hears what becomes of stores
   * @param before caches whose place these take: stores live on whose memory is the same
   * @param same caches whose memory is the same as before
   */
  constructor(
    { spec, shared, row }: Pick<ThreadRun, "spec" | "shared" | "row">,
    reports: CacheReports,
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
      const known = same.includes(name) ? (before?.stores.get(name) ?? null) : null;
      const purges = new PurgeList(memory.purges, row);
      const means: StoreMeans = {
        ...{ row, purges, redis: reports.redisOf(name) },
        onProblem: ({ message }) => reports.onProblem(name, message),
        random: seededRandom(`${spec.seed}/${row}/redis/${name}`),
      };
      const opened = openStore(cache, memory, means, known);
      stores.set(name, opened);
      const http = openHttpCache(cache, memory, row, opened.store);
      http.others = opened.redis?.others ?? null;
      return [name, http];
    };
    this.byName = new Map(caches.map(open));
    this.stores = stores;
  }

  /** Closes the stores that `others` don't have. Kept when all that was stored is, and all that was removed. */
  async close(others: ThreadCaches | null = null): Promise<void> {
    await Promise.all(
      [...this.stores].map(([name, opened]) => closeStore(opened, others?.stores.get(name) ?? null)),
    );
  }
}
