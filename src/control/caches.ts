import { nearestWord } from "../base/nearest-word.ts";
import { type CacheCountName, CacheCounts, type RedisCountName } from "../cache/cache-counts.ts";
import { DEFAULT_KEY_RULES, KeyMaker } from "../cache/key.ts";
import { MetaFlag } from "../cache/meta.ts";
import { MetaView } from "../cache/meta-view.ts";
import { PurgeKind, type PurgeKindCode } from "../cache/purges/purge.ts";
import { currentAge, wholeSeconds } from "../cache/rules/age.ts";
import { timeToLive } from "../cache/rules/cache-status.ts";
import { type CacheEntry, type CacheStore, EntryState } from "../cache/store.ts";
import type { RedisShare } from "../cache/stores/redis/redis-share.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { compileCache } from "../filters/route-cache.ts";
import { RequestHead } from "../http/heads.ts";
import { Lookup } from "../proxy/caching/cache-lookup.ts";
import type { CacheRules, HttpCache } from "../proxy/caching/http-cache.ts";
import type { CacheReports } from "../worker/cache-reports.ts";
import { largestEntry, type StoreLayer } from "../worker/open-store.ts";
import { type RunSpec, routedSnapshot } from "../worker/run-spec.ts";
import type { SharedMemory } from "../worker/shared-memory.ts";
import { ThreadCaches } from "../worker/thread-caches.ts";
import { CacheReceivers } from "./cache-receivers.ts";

/** What is kept, and how much of it may be. Plain data. */
export interface StoreFigures {
  readonly entries: number;
  readonly bytes: number;
  readonly mostBytes: number;
  readonly mostEntryBytes: number;
  readonly evictions: number;
  /** Responses that there was no room for. */
  readonly refused: number;
  /** Responses that were begun and didn't come to their end. */
  readonly failures: number;
}

/** A cache as people and programs that ask see it. Plain data. */
export interface CacheReport extends StoreFigures {
  readonly name: string;
  /** What it is kept in, the quickest first. */
  readonly stores: readonly StoreReport[];
  /** Requests since it began, over all threads. */
  readonly counts: Readonly<Record<CacheCountName, number>>;
  /** Null: no other machine has it. */
  readonly redis: RedisReport | null;
}

/** One of the stores of a cache. Plain data. */
interface StoreReport extends StoreFigures {
  /** As configurations call it. */
  readonly kind: string;
}

/** The Redis that machines share a cache by. Plain data. */
export interface RedisReport {
  /** Its URL, without a password. */
  readonly url: string;
  /** Whether this process does without it for now. */
  readonly isAway: boolean;
  /** What came of questions to it, over all threads. */
  readonly counts: Readonly<Record<RedisCountName, number>>;
}

/** What is to be taken from use. */
export interface PurgeOrder {
  readonly by: "url" | "prefix" | "tag" | "all";
  /** What it is by; "" for `all`. */
  readonly text: string;
  /** What it hits is stale from now on, in place of removed. */
  readonly isSoft: boolean;
}

/** What came of a purge. Plain data. */
export interface PurgeReport {
  /** Whether something was there; null where nobody knows without looking at all there is. */
  readonly found: boolean | null;
  /** Whether other machines that share the cache are told; false: they are when Redis takes it. */
  readonly isEverywhere: boolean;
}

/** What a cache has for a request. Plain data; times in seconds. */
export interface StoredReport {
  readonly key: string;
  readonly status: number;
  readonly age: number;
  /** Negative: it has been stale for so long. */
  readonly ttl: number;
  /** True: a purge has made it stale. */
  readonly isPurged: boolean;
  readonly isComplete: boolean;
  /** Of its body, as far as it is there. */
  readonly bytes: number;
  readonly tags: readonly string[];
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** The caches of a running process. */
export interface Caches {
  /** In the order of the configuration. */
  list(): CacheReport[];
  /**
   * Takes from use what was fetched before, in all threads: none answers with it any more when the promise is kept.
   * Other machines that share it hear of it soon. Rejects with a `CacheError`.
   */
  purge(name: string, order: PurgeOrder): Promise<PurgeReport>;
  /**
   * What a cache has for a GET of that URL: for each of the ways in which routes make keys of it.
   * @param headers of the request, for what varies by them
   * Rejects with a `CacheError`.
   */
  lookUp(name: string, url: string, headers: readonly (readonly [string, string])[]): Promise<StoredReport[]>;
}

export type CacheProblem = "CACHE_NOT_FOUND" | "INVALID";

export class CacheError extends Error {
  readonly code: CacheProblem;

  constructor(code: CacheProblem, message: string) {
    super(message);
    this.name = "CacheError";
    this.code = code;
  }
}

/** A cache, and the rules of routes that make different keys. */
interface KnownCache {
  readonly cache: HttpCache;
  readonly counts: CacheCounts;
  readonly layers: readonly StoreLayer[];
  readonly redis: RedisShare | null;
  readonly rules: readonly CacheRules[];
}

const view = new MetaView();

/** Looks into the memory that all threads keep responses in, as one thread more. */
export class SharedCaches implements Caches {
  readonly #reports: CacheReports;
  #caches: ReadonlyMap<string, KnownCache> = new Map();
  #opened: ThreadCaches | null = null;
  #shared: SharedMemory | null = null;
  readonly #receivers = new CacheReceivers();

  /** @param reports hears what becomes of stores as this thread has them */
  constructor(spec: RunSpec, shared: SharedMemory, reports: CacheReports) {
    this.#reports = reports;
    this.replaceBy(spec, shared);
  }

  /** These are the caches from now on. */
  replaceBy(spec: RunSpec, shared: SharedMemory): void {
    const before = this.#opened;
    const known = this.#shared?.caches ?? {};
    const same = Object.keys(shared.caches).filter((name) => known[name] === shared.caches[name]);
    const opened = new ThreadCaches({ spec, shared, row: shared.rows }, this.#reports, before, same);
    this.#opened = opened;
    this.#shared = shared;
    this.#receivers.replaceBy(opened);
    void before?.close(opened);
    const snapshot = routedSnapshot(spec);
    this.#caches = new Map(
      (snapshot?.caches ?? []).map(({ name }) => {
        const cache = opened.byName.get(name)!;
        const counts = new CacheCounts(shared.caches[name]!.counts, shared.rows);
        const { layers, redis } = opened.stores.get(name)!;
        return [name, { cache, counts, layers, redis, rules: rulesOf(name, snapshot!, opened.byName) }];
      }),
    );
  }

  list(): CacheReport[] {
    return [...this.#caches].map(([name, { cache, counts, layers, redis }]) => ({
      name,
      ...toStoreReport(cache.store, largestEntry(layers)),
      stores: layers.map(({ kind, store, mostEntryBytes }) => ({
        kind,
        ...toStoreReport(store, mostEntryBytes),
      })),
      counts: counts.totals,
      redis: redis && { url: redis.name, isAway: redis.isAway, counts: counts.redis },
    }));
  }

  async purge(name: string, { by, text, isSoft }: PurgeOrder): Promise<PurgeReport> {
    const { cache, rules } = this.#find(name);
    if (by === "url") return await purgeUrl(text, isSoft, cache, rules);
    const [kind, what] = toPurge(by, text, cache);
    const told = cache.purge({ kind, text: what, isSoft });
    // Nothing of it is found any more; this gives the memory back at once.
    if (by === "all" && !isSoft) await cache.store.clear();
    return { found: null, isEverywhere: await told };
  }

  async lookUp(
    name: string,
    url: string,
    headers: readonly (readonly [string, string])[],
  ): Promise<StoredReport[]> {
    const { rules } = this.#find(name);
    const { scheme, host, target } = parseUrl(url);
    const request = toRequest(host, target, headers);
    const reports = new Map<string, StoredReport>();
    for (const one of rules) {
      const lookup = new Lookup(one, request, scheme);
      const entry = await lookup.find();
      if (entry === null) continue;
      reports.set(lookup.key.text, reportOf(entry, lookup.now));
      entry.release();
    }
    return [...reports.values()];
  }

  /** Kept when all that was removed is. */
  async close(): Promise<void> {
    this.#receivers.close();
    await this.#opened?.close();
  }

  #find(name: string): KnownCache {
    const known = this.#caches.get(name);
    if (known !== undefined) return known;
    const suggestion = nearestWord(name, [...this.#caches.keys()]);
    const hint = suggestion === undefined ? "" : `: did you mean ${suggestion}?`;
    throw new CacheError("CACHE_NOT_FOUND", `there is no cache ${JSON.stringify(name)}${hint}`);
  }
}

function toStoreReport({ stats }: CacheStore, mostEntryBytes: number): StoreFigures {
  const { entries, bytes, mostBytes, evictions, refused, failures } = stats;
  return { entries, bytes, mostBytes, mostEntryBytes, evictions, refused, failures };
}

/** Rules that make the same keys do the same here. */
function rulesOf(
  name: string,
  { listeners }: Snapshot,
  caches: ReadonlyMap<string, HttpCache>,
): readonly CacheRules[] {
  const uses = listeners.flatMap(({ routes }) => routes).flatMap(({ cache }) => cache ?? []);
  const different = new Map(
    uses
      .filter(({ use }) => use === name)
      .map((use) => [JSON.stringify([use.query, use.keyFields, use.keyCookies]), use]),
  );
  return [...different.values()].map((use) => compileCache(use, caches));
}

/** By each of the keys that routes make of it. */
async function purgeUrl(
  url: string,
  isSoft: boolean,
  cache: HttpCache,
  rules: readonly CacheRules[],
): Promise<PurgeReport> {
  parseUrl(url);
  const { store } = cache;
  let wasThere = false;
  let isEverywhere = true;
  for (const { key } of rules) {
    const purged = key.ofUrl(url)!;
    const found = await store.find(purged);
    found?.release();
    wasThere ||= found !== null;
    const told = cache.purge({ kind: PurgeKind.Key, text: purged.text, isSoft });
    if (!isSoft) await store.remove(purged);
    isEverywhere = (await told) && isEverywhere;
  }
  return { found: wasThere, isEverywhere };
}

function toPurge(
  by: Exclude<PurgeOrder["by"], "url">,
  text: string,
  { hash }: HttpCache,
): [kind: PurgeKindCode, text: string] {
  switch (by) {
    case "all":
      return [PurgeKind.All, ""];
    case "tag":
      if (!/^[\x21-\x7e]+$/.test(text)) throw invalid(`${JSON.stringify(text)} is no tag`);
      return [PurgeKind.Tag, text];
    case "prefix": {
      parseUrl(text);
      return [PurgeKind.Prefix, new KeyMaker(DEFAULT_KEY_RULES, hash).ofUrl(text)!.text];
    }
  }
}

/** As keys have it: paths aren't changed. */
function parseUrl(url: string): { scheme: "http" | "https"; host: string; target: string } {
  const [, secure, host, target = ""] = /^http(s?):\/\/([^/?#\s]+)([^#\s]*)(?:#\S*)?$/i.exec(url) ?? [];
  if (secure === undefined || host === undefined)
    throw invalid(`${JSON.stringify(url)} is no URL like https://example.com/path`);
  const rooted = target.startsWith("/") ? target : `/${target}`;
  return { scheme: secure === "" ? "http" : "https", host, target: rooted };
}

function toRequest(
  host: string,
  target: string,
  headers: readonly (readonly [string, string])[],
): RequestHead {
  try {
    const request = RequestHead.from({
      target,
      headers: headers.map(([name, value]): [string, string] => [name, value]),
    });
    request.host = host;
    return request;
  } catch (error) {
    throw invalid((error as Error).message);
  }
}

function invalid(message: string): CacheError {
  return new CacheError("INVALID", message);
}

function reportOf(entry: CacheEntry, now: number): StoredReport {
  const meta = view.of(entry.meta);
  return {
    key: meta.key,
    status: meta.status,
    age: wholeSeconds(currentAge(meta.bornAt, now)),
    ttl: timeToLive(meta.bornAt, meta.lifetime, now),
    isPurged: (meta.flags & MetaFlag.Purged) !== 0,
    isComplete: entry.state === EntryState.Complete,
    bytes: entry.length,
    tags: meta.tags.split(" ").filter((tag) => tag !== ""),
    headers: meta.lines(),
  };
}
