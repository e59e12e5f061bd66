import { idleAlarms } from "../../base/alarms.ts";
import { turnDate } from "../../base/turn-clock.ts";
import { CacheCounts } from "../../cache/cache-counts.ts";
import type { CacheMemory } from "../../cache/cache-memory.ts";
import type { CacheSettings } from "../../cache/cache-settings.ts";
import { FillTable } from "../../cache/fills/fill-table.ts";
import { Invalidations } from "../../cache/invalidations.ts";
import { Predictor } from "../../cache/predictor.ts";
import { PurgeList } from "../../cache/purges/purge-list.ts";
import type { CacheStore } from "../../cache/store.ts";
import { HttpCache } from "./http-cache.ts";

/**
 * A cache as one thread sees it.
 * @param memory what threads share of it
 * @param row of this thread; no other one that lives has it
 * @param now milliseconds since 1970. Default: the time of the turn
 */
export function openHttpCache(
  { label, fills }: Pick<CacheSettings, "label" | "fills">,
  memory: CacheMemory,
  row: number,
  store: CacheStore,
  now: () => number = turnDate,
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
    now,
  });
}
