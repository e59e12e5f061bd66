import assert from "node:assert/strict";
import { idleAlarms } from "../../src/base/alarms.ts";
import { allocateCacheCounts, type CacheCountName, CacheCounts } from "../../src/cache/cache-counts.ts";
import { allocateFills } from "../../src/cache/fills/fill-memory.ts";
import { FILL_DEFAULTS } from "../../src/cache/fills/fill-settings.ts";
import { FillTable } from "../../src/cache/fills/fill-table.ts";
import { allocatePredictor, Predictor } from "../../src/cache/predictor.ts";
import { createPurges, PurgeList } from "../../src/cache/purges/purge-list.ts";
import type { CachePolicy } from "../../src/cache/rules/policy.ts";
import { MemoryStore } from "../../src/cache/stores/memory/memory-store.ts";
import { allocateMemoryStore } from "../../src/cache/stores/memory/store-memory.ts";
import { HttpCache } from "../../src/proxy/caching/http-cache.ts";
import { until } from "../kit/deadline.ts";
import type { RawMessage, RawRequest, RawResponse } from "../kit/raw-message.ts";
import { WatchedStore } from "../kit/watched-store.ts";
import {
  type Answer,
  answering,
  type ProxyOptions,
  type ProxyUnderTest,
  request,
  startProxy,
} from "./proxy.ts";

export const MAX_AGE = "Cache-Control: max-age=60";

/** A proxy with a cache of a mebibyte, whose clock moves when it is told to. */
export class CachingProxy implements AsyncDisposable {
  readonly proxy: ProxyUnderTest;
  readonly store: WatchedStore;
  readonly clock: { now: number };
  /** What the origin was asked, where its script notes it. */
  readonly asked: RawRequest[];
  readonly fills: FillTable;
  readonly cache: HttpCache;
  readonly #counts: CacheCounts;

  constructor(
    parts: Pick<CachingProxy, "proxy" | "store" | "clock" | "asked" | "fills" | "cache">,
    counts: CacheCounts,
  ) {
    this.proxy = parts.proxy;
    this.store = parts.store;
    this.clock = parts.clock;
    this.asked = parts.asked;
    this.fills = parts.fills;
    this.cache = parts.cache;
    this.#counts = counts;
  }

  get counts(): Record<CacheCountName, number> {
    return this.#counts.totals;
  }

  /** The answer to a request on a connection of its own. */
  async ask(line: string, ...headers: readonly string[]): Promise<RawResponse> {
    const client = await this.proxy.connect();
    return client.exchange(request(line, ...headers), { method: line.slice(0, line.indexOf(" ")) });
  }

  /** Nothing is held of the cache any more: all is as if nobody had come. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await until("nothing is held", () => this.store.held === 0);
    assert.equal(this.fills.unwatched, 0);
    this.store.clear();
    assert.equal(this.store.stats.entries, 0);
    await this.store.close();
  }
}

export interface CachingOptions extends Partial<CachePolicy> {
  readonly proxy?: ProxyOptions<undefined>;
}

export async function startCaching(answer: Answer, options: CachingOptions = {}): Promise<CachingProxy> {
  const { proxy: more, ...policy } = options;
  const asked: RawRequest[] = [];
  const clock = { now: Date.now() };
  const memory = allocateMemoryStore({ mostBytes: 2 ** 20, mostEntryBytes: 2 ** 18, rows: 1 });
  const store = new WatchedStore(new MemoryStore(memory, 0));
  const predictor = new Predictor(allocatePredictor(64));
  const fills = new FillTable(allocateFills(64), 0, FILL_DEFAULTS, { clock: idleAlarms, predictor });
  const counts = new CacheCounts(allocateCacheCounts(1), 0);
  const purges = new PurgeList(createPurges(clock.now), 0);
  const cache = new HttpCache({ store, fills, counts, purges, secret: [1, 2, 3, 4], now: () => clock.now });
  const rules = cache.rules({}, policy);
  const proxy = await startProxy({
    origin: answering(answer, asked),
    ...more,
    caches: true,
    phases: {
      requestFilter(session) {
        session.cacheRules = rules;
      },
      ...more?.phases,
    },
  });
  return new CachingProxy({ proxy, store, clock, asked, fills, cache }, counts);
}

/** The value of a field, null where there is none. */
export function field({ headers }: RawMessage | RawRequest, name: string): string | null {
  return headers.find(([other]) => other.toLowerCase() === name)?.[1] ?? null;
}

export function statusOf(response: RawResponse): string {
  return field(response, "cache-status") ?? "";
}
