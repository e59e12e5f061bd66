import { type Column, columnMaker, formatTable } from "../../tui/table.ts";
import { formatAge, formatBytes, printable } from "../../tui/units.ts";
import type { ApiCache, ApiStored } from "./caches-client.ts";
import type { Paint } from "./paint.ts";
import type { TextRoom } from "./status-text.ts";

const LEFT = { align: "left", cut: "end", least: 0, most: 60, rank: 0 } as const;
const RIGHT = { ...LEFT, align: "right" } as const;

/** Caches and what became of the requests at them; "" when there are none. */
export function cachesText(
  caches: readonly ApiCache[],
  paint: Paint,
  { width }: Pick<TextRoom, "width">,
): string {
  if (caches.length === 0) return "";
  const lines = formatTable(cacheColumns(caches), width).map((line) => line.trimEnd());
  return `\n${paint.colour("blue", "Caches")}\n${lines.join("\n")}\n`;
}

function cacheColumns(caches: readonly ApiCache[]): Column[] {
  const column = columnMaker(caches);
  return [
    column("NAME", LEFT, ({ name }) => name),
    column("HIT RATE", { ...RIGHT, rank: 1 }, ({ counts }) => hitRate(counts)),
    column("HITS", RIGHT, ({ counts }) => counts.hits),
    column("STALE", { ...RIGHT, rank: 4 }, ({ counts }) => counts.stale),
    column("REVALIDATED", { ...RIGHT, rank: 5 }, ({ counts }) => counts.revalidated),
    column("COLLAPSED", { ...RIGHT, rank: 5 }, ({ counts }) => counts.collapsed),
    column("STORED", { ...RIGHT, rank: 2 }, ({ counts }) => counts.stored),
    column("PASSED", { ...RIGHT, rank: 2 }, ({ counts }) => counts.passed),
    column("FAILED", { ...RIGHT, rank: 3 }, ({ counts }) => counts.failed),
    column("ENTRIES", { ...RIGHT, rank: 1 }, ({ entries }) => entries),
    column("EVICTED", { ...RIGHT, rank: 6 }, ({ evictions }) => evictions),
    ...kindsOf(caches).map((kind) =>
      column(kind.toUpperCase(), { ...RIGHT, rank: 1 }, (cache) => roomText(storeOf(cache, kind))),
    ),
    ...redisColumns(caches),
  ];
}

/** What came of questions to Redis, where there is one. */
function redisColumns(caches: readonly ApiCache[]): Column[] {
  if (!caches.some(({ redis }) => redis)) return [];
  const column = columnMaker(caches);
  return [
    column("REDIS", { ...LEFT, rank: 3 }, ({ redis }) => (redis ? (redis.away ? "away" : "there") : "-")),
    column("FOUND THERE", { ...RIGHT, rank: 3 }, ({ redis }) => redis?.counts.found ?? "-"),
    column("REDIS ERRORS", { ...RIGHT, rank: 4 }, ({ redis }) => redis?.counts.errors ?? "-"),
  ];
}

/** In which kinds of stores they are kept. */
function kindsOf(caches: readonly ApiCache[]): string[] {
  return [...new Set(caches.flatMap(({ stores }) => stores?.map(({ kind }) => kind) ?? [ONLY_KIND]))];
}

function storeOf(cache: ApiCache, kind: string): Room | undefined {
  if (cache.stores === undefined) return kind === ONLY_KIND ? cache : undefined;
  return cache.stores.find((store) => store.kind === kind);
}

type Room = Pick<ApiCache, "bytes" | "most_bytes">;

/** Of processes that don't say it. */
const ONLY_KIND = "memory";

function roomText(store: Room | undefined): string {
  return store === undefined ? "-" : `${formatBytes(store.bytes)} of ${formatBytes(store.most_bytes)}`;
}

/** Of the requests that looked there, those that no server had to answer. */
function hitRate({
  hits,
  stale,
  revalidated,
  collapsed,
  stored,
  passed,
  failed,
}: ApiCache["counts"]): string {
  const answered = hits + stale + collapsed;
  const all = answered + revalidated + stored + passed + failed;
  return all === 0 ? "-" : `${((answered / all) * 100).toFixed(1)}%`;
}

/** What a cache has for a request, as a response with its head. */
export function storedText(stored: readonly ApiStored[], paint: Paint): string {
  if (stored.length === 0) return "Nothing is stored for that.\n";
  return stored.map((one) => storedEntry(one, paint)).join("\n");
}

function storedEntry(stored: ApiStored, paint: Paint): string {
  const { key, status, age, tags, headers, bytes, complete } = stored;
  const [url = "", ...extras] = key.split("\n").map(printable);
  return [
    paint.colour("blue", url),
    ...extras.map((line) => `  ${line}`),
    `${status}, ${formatAge(age * 1000)} old, ${freshness(stored)}, ${formatBytes(bytes)}${complete ? "" : " so far"}`,
    ...(tags.length === 0 ? [] : [`tags: ${tags.map(printable).join(" ")}`]),
    ...headers.map(([name = "", value = ""]) => `  ${printable(name)}: ${printable(value)}`),
    "",
  ].join("\n");
}

function freshness({ ttl, purged }: ApiStored): string {
  if (purged) return "stale by a purge";
  return ttl > 0 ? `fresh for ${formatAge(ttl * 1000)}` : `stale for ${formatAge(-ttl * 1000)}`;
}
