import * as z from "zod";
import type { CacheRedisSettings } from "../../cache/cache-settings.ts";
import type { RedisSettings } from "../../filters/settings.ts";
import { durationFrom, size } from "./units.ts";
import { oneOf, parsedBy, section, text } from "./values.ts";

/** What a place of Redis looks like. */
export const REDIS_EXPECTED = "a URL that begins with redis://, rediss:// or redis+unix://";

const redisUrl: z.ZodType<string> = parsedBy(text(REDIS_EXPECTED), REDIS_EXPECTED, (url) => {
  return /^(?:rediss?|redis\+unix):$/.test(URL.parse(url)?.protocol ?? "") ? url : undefined;
});

const redisSettings = section("Redis", "Where several machines share what limits count.", {
  url: redisUrl.describe("`redis://host:6379`, `rediss://…` for TLS, or `redis+unix:///path`."),
  prefix: z.string({ error: "a text" }).default("sluice:").describe("What keys begin with."),
  timeout: durationFrom(1)
    .prefault("100ms")
    .describe("A request that Redis keeps waiting for longer is decided here."),
}).transform(({ url, prefix, timeout }): RedisSettings => ({ url, prefix, timeout }));

/** Redis; a URL is enough. */
export const redis: z.ZodType<RedisSettings> = oneOf(`${REDIS_EXPECTED}, or a map with url`, [
  redisUrl.transform((url) => redisSettings.parse({ url })),
  redisSettings,
]);

const MEBIBYTE = 1024 * 1024;
const LEAST_BODY = 1024;
/** What is being fetched from Redis holds up what is asked for behind it. */
const MOST_BODY = 16 * MEBIBYTE;

const cacheRedisSettings = section("CacheRedis", "Where several machines share what a cache has stored.", {
  url: redisUrl.describe("`redis://host:6379`, `rediss://…` for TLS, or `redis+unix:///path`."),
  prefix: z
    .string({ error: "a text" })
    .default("sluice:cache:")
    .describe("What keys begin with; the name of the cache comes behind it."),
  timeout: durationFrom(1)
    .prefault("250ms")
    .describe("A request that Redis keeps waiting for longer goes on as if nothing were there."),
  largest_body: size(LEAST_BODY, MOST_BODY)
    .prefault("1MiB")
    .describe("The longest body that other machines get. What is longer stays on its own."),
}).transform(
  ({ largest_body: mostBodyBytes, ...place }): CacheRedisSettings => ({ ...place, mostBodyBytes }),
);

/** Redis as a cache has it; a URL is enough. */
export const cacheRedis: z.ZodType<CacheRedisSettings> = oneOf(`${REDIS_EXPECTED}, or a map with url`, [
  redisUrl.transform((url) => cacheRedisSettings.parse({ url })),
  cacheRedisSettings,
]);
