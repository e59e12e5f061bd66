import * as z from "zod";
import { type ApiClient, ApiError } from "./api-client.ts";
import { known } from "./upstreams-client.ts";

/** A cache as the API tells it. */
export interface ApiCache {
  readonly name: string;
  readonly entries: number;
  readonly bytes: number;
  readonly most_bytes: number;
  readonly evictions: number;
  readonly refused: number;
  /** What it is kept in; undefined of older processes, which have memory alone. */
  readonly stores?: readonly ApiStore[] | undefined;
  /** By which other machines share it; null and undefined: none do. */
  readonly redis?: ApiRedis | null | undefined;
  readonly counts: {
    readonly hits: number;
    readonly stale: number;
    readonly revalidated: number;
    readonly collapsed: number;
    readonly stored: number;
    readonly passed: number;
    readonly failed: number;
  };
}

/** One of a cache's stores. */
interface ApiStore {
  readonly kind: string;
  readonly entries: number;
  readonly bytes: number;
  readonly most_bytes: number;
}

/** The Redis that machines share a cache by. */
interface ApiRedis {
  readonly url: string;
  readonly away: boolean;
  /** What came of questions to it. */
  readonly counts: { readonly found: number; readonly missed: number; readonly errors: number };
}

const redisShape: z.ZodType<ApiRedis> = z.looseObject({
  url: z.string(),
  away: z.boolean(),
  counts: z.looseObject({ found: z.number(), missed: z.number(), errors: z.number() }),
});

const storeShape: z.ZodType<ApiStore> = z.looseObject({
  kind: z.string(),
  entries: z.number(),
  bytes: z.number(),
  most_bytes: z.number(),
});

const cacheShape: z.ZodType<ApiCache> = z.looseObject({
  name: z.string(),
  entries: z.number(),
  bytes: z.number(),
  most_bytes: z.number(),
  evictions: z.number(),
  refused: z.number(),
  stores: z.array(storeShape).optional(),
  redis: redisShape.nullable().optional(),
  counts: z.looseObject({
    hits: z.number(),
    stale: z.number(),
    revalidated: z.number(),
    collapsed: z.number(),
    stored: z.number(),
    passed: z.number(),
    failed: z.number(),
  }),
});

/** What a cache has for a request; times in seconds. */
export interface ApiStored {
  readonly key: string;
  readonly status: number;
  readonly age: number;
  readonly ttl: number;
  readonly purged: boolean;
  readonly complete: boolean;
  readonly bytes: number;
  readonly tags: readonly string[];
  readonly headers: readonly (readonly string[])[];
}

const storedShape: z.ZodType<ApiStored> = z.looseObject({
  key: z.string(),
  status: z.number(),
  age: z.number(),
  ttl: z.number(),
  purged: z.boolean(),
  complete: z.boolean(),
  bytes: z.number(),
  tags: z.array(z.string()),
  headers: z.array(z.array(z.string())),
});

/** What is to be taken from use, as the API is told. */
export interface ApiPurge {
  readonly url?: string;
  readonly prefix?: string;
  readonly tag?: string;
  readonly all?: true;
  readonly soft?: true;
}

/** Null: that can't be told. */
export interface ApiPurged {
  readonly found: boolean | null;
  /** False: other machines that share the cache hear of it later. Undefined of older processes, which share none. */
  readonly everywhere?: boolean | undefined;
}

const purgedShape: z.ZodType<ApiPurged> = z.looseObject({
  found: z.boolean().nullable(),
  everywhere: z.boolean().optional(),
});
const LACK = "has no caches";

const NOT_FOUND = 404;

/** In the order of the configuration; none of a server that knows of no caches. Rejects with an `ApiError`. */
export async function listCaches(client: ApiClient): Promise<ApiCache[]> {
  try {
    return await known(client, client.read("GET", "/caches", z.array(cacheShape)));
  } catch (error) {
    const cause = (error as ApiError).cause;
    if (cause instanceof ApiError && cause.status === NOT_FOUND) return [];
    throw error;
  }
}

/** Rejects with an `ApiError`: when there is no such cache it says which one may be meant. */
export function purgeCache(client: ApiClient, cache: string, purge: ApiPurge): Promise<ApiPurged> {
  const path = `/caches/${encodeURIComponent(cache)}/purge`;
  return known(client, client.read("POST", path, purgedShape, purge), LACK);
}

/** @param headers of the request: `Name: value`. Rejects with an `ApiError`. */
export function lookUpInCache(
  client: ApiClient,
  cache: string,
  url: string,
  headers: readonly string[],
): Promise<ApiStored[]> {
  const query = new URLSearchParams([["url", url], ...headers.map((line) => ["header", line])]);
  const path = `/caches/${encodeURIComponent(cache)}/lookup?${query}`;
  return known(client, client.read("GET", path, z.array(storedShape)), LACK);
}
