import * as z from "zod";
import type { CacheSettings } from "../../cache/cache-settings.ts";
import { FILL_DEFAULTS } from "../../cache/fills/fill-settings.ts";
import { isCacheLabel } from "../../cache/rules/cache-status.ts";
import { DEFAULT_POLICY } from "../../cache/rules/policy.ts";
import { type QueryRule, WHOLE_QUERY } from "../../cache/rules/query-rule.ts";
import type { RouteCacheSettings } from "../../filters/settings.ts";
import { ipRange } from "./addresses.ts";
import { memorySize, storeKeys, toStores } from "./cache-stores.ts";
import { headerName } from "./fields.ts";
import { cacheRedis } from "./redis.ts";
import { durationFrom, lifetime, share } from "./units.ts";
import {
  choice,
  entryName,
  flag,
  integer,
  list,
  off,
  oneOf,
  oneOrMore,
  parsedBy,
  section,
  text,
} from "./values.ts";

const USUAL_LABEL = "sluice";
const DAY = 86_400;

/** A cache without its name. */
export type CacheDraft = Omit<CacheSettings, "name">;

const LABEL_EXPECTED = "a token: letters, digits and marks like - . _";

const label: z.ZodType<string> = parsedBy(text(LABEL_EXPECTED), LABEL_EXPECTED, (word) =>
  isCacheLabel(word) ? word : undefined,
);

const settings = section("Cache", "A cache, which all threads share.", {
  ...storeKeys,
  redis: cacheRedis
    .optional()
    .describe("Shares what is stored, and what is purged, with the caches of this name on other machines."),
  cache_status: label.default(USUAL_LABEL).describe("What it is called in `Cache-Status` (RFC 9211)."),
  longest_wait: durationFrom(1)
    .prefault(`${FILL_DEFAULTS.longestWait / 1000}s`)
    .describe(
      "How long a request waits for another one that fetches the same; then it goes to the server itself.",
    ),
  longest_fetch: durationFrom(1)
    .prefault(`${FILL_DEFAULTS.longestClaim / 1000}s`)
    .describe(
      "How long a server may take for the head of a response, until one more request for the same goes there.",
    ),
  tries: integer(1, 100)
    .default(FILL_DEFAULTS.mostTries)
    .describe(
      "Requests for the same that go to servers one after the other when they fail, before all that wait are told so.",
    ),
}).transform((document, context): CacheDraft => {
  return {
    label: document.cache_status,
    ...toStores(document, context),
    redis: document.redis ?? null,
    fills: {
      longestClaim: document.longest_fetch,
      longestWait: document.longest_wait,
      mostTries: document.tries,
    },
  };
});

/** A cache of which nothing is said but how large it is. */
export function cacheOf(bytes: number): CacheDraft {
  return settings.parse({ memory: bytes });
}

/** The caches of a document by their names. */
export const namedCaches: z.ZodType<Readonly<Record<string, CacheDraft>>> = z.record(
  entryName,
  oneOf("a size like 256MiB, or a map with memory or disk", [memorySize.transform(cacheOf), settings]),
  { error: "a map of names to caches" },
);

/** True for what is meant as a size and not as the name of a cache. */
export function looksLikeSize(word: string): boolean {
  return /^\d/.test(word);
}

/** How requests use a cache. It is told by its name, or how large one of their own is; null: that of the listener. */
export interface CacheUseDraft extends Omit<RouteCacheSettings, "use"> {
  readonly use: string | number | null;
}

const USE_EXPECTED = "the name of a cache, or a size like 256MiB";

const use: z.ZodType<string | number> = oneOf(USE_EXPECTED, [
  z.number({ error: USE_EXPECTED }).transform(toMemorySize),
  text(USE_EXPECTED).transform((word, context) => (looksLikeSize(word) ? toMemorySize(word, context) : word)),
]);

function toMemorySize(value: string | number, context: z.core.$RefinementCtx<unknown>): number {
  const parsed = memorySize.safeParse(value);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) context.issues.push({ ...issue, input: value } as never);
  return z.NEVER;
}

const parameter = text("the name of a parameter");
const parameters = oneOrMore(parameter, "the name of a parameter");
const QUERY_EXPECTED = "all, none, or a map with only or except";

const query: z.ZodType<Omit<QueryRule, "sorted">> = oneOf(QUERY_EXPECTED, [
  choice(["all", "none"]).transform((keeps) => ({ keeps, names: [] })),
  section("KeyQuery", "Which parameters of the query make a difference: one of both.", {
    only: parameters.optional().describe("Nothing but these."),
    except: parameters.optional().describe("All but these."),
  }).transform(({ only, except }, context): Omit<QueryRule, "sorted"> => {
    if ((only === undefined) !== (except === undefined))
      return only === undefined ? { keeps: "except", names: except! } : { keeps: "only", names: only };
    const reason = only === undefined ? "only or except is missing" : "only and except exclude each other";
    context.issues.push({ code: "custom", input: only, message: "one of them", params: { reason } });
    return z.NEVER;
  }),
]);

const STATUS_EXPECTED = "a status from 200 to 599";

const defaultLifetimes = z
  .record(z.string().regex(/^[2-5]\d\d$/, { error: STATUS_EXPECTED }), lifetime, {
    error: "a map of statuses to times, like 404: 10s",
  })
  .transform((times) =>
    Object.entries(times).map(([status, seconds]): [number, number] => [Number(status), seconds]),
  );

const HEURISTIC = { fraction: 0.1, longest: DAY };

const heuristic: z.ZodType<RouteCacheSettings["heuristic"]> = oneOf(
  "true, false, or a map with share and longest",
  [
    flag().transform((isOn) => (isOn ? HEURISTIC : null)),
    section("HeuristicLifetime", "How long a response is fresh that only says when it was modified.", {
      share: share.prefault("10%").describe("Of the time since then."),
      longest: lifetime.prefault("24h").describe("However long that is."),
    }).transform(({ share: fraction, longest }) => ({ fraction, longest })),
  ],
);

const useMap = section("CacheUse", "How requests use a cache.", {
  use: use
    .optional()
    .describe("The name of a cache, or the size of one of its own. Default: that of the listener."),
  query: query
    .prefault("all")
    .describe(
      "What of the query makes a difference: `all`, `none`, or a map with `only` or `except`. What is left out still reaches the server.",
    ),
  sort_query: flag()
    .default(WHOLE_QUERY.sorted)
    .describe("Whether the order of parameters with different names makes no difference."),
  key_headers: oneOrMore(headerName, "the name of a header field")
    .optional()
    .describe("Request fields whose values make a difference besides, as `Vary` would say it."),
  key_cookies: oneOrMore(text("the name of a cookie"), "the name of a cookie")
    .optional()
    .describe("Cookies likewise."),
  default_ttl: defaultLifetimes
    .optional()
    .describe(
      "How long responses are fresh that don't say it themselves, by their status: `{200: 1m, 404: 10s}`.",
    ),
  heuristic: heuristic
    .prefault(false)
    .describe(
      "Whether responses that only say when they were modified are fresh for a tenth of the time since then.",
    ),
  longest_ttl: lifetime.optional().describe("The longest that anything is fresh. Default: no limit."),
  stale_while_revalidate: lifetime
    .prefault(0)
    .describe(
      "How long what is stale is served while it is fetched anew, where it doesn't say it itself (RFC 5861).",
    ),
  stale_if_error: lifetime
    .prefault(0)
    .describe(
      "How long what is stale is served when the server fails, where it doesn't say it itself (RFC 5861).",
    ),
  store_cookies: flag()
    .default(DEFAULT_POLICY.storesCookies)
    .describe("Whether responses are stored that set cookies: all clients get them."),
  heed_requests: flag()
    .default(DEFAULT_POLICY.heedsRequests)
    .describe("Whether clients can ask for something newer by `Cache-Control` and `Pragma`."),
  cache_control_fields: list(headerName, "a list of header fields")
    .optional()
    .describe(
      "Fields that say in place of `Cache-Control` what holds here (RFC 9213); the first that is there counts. Default: `Sluice-CDN-Cache-Control`, `CDN-Cache-Control`.",
    ),
  purge_from: oneOrMore(ipRange, "an address or a CIDR range")
    .optional()
    .describe("Clients that may take a URL out of the cache by the method PURGE. Default: nobody."),
}).transform((document): CacheUseDraft => {
  const { query: kept, heuristic: guess, cache_control_fields: targeted } = document;
  return {
    use: document.use ?? null,
    query: { ...kept, sorted: document.sort_query },
    keyFields: (document.key_headers ?? []).map((name) => name.toLowerCase()),
    keyCookies: document.key_cookies ?? [],
    defaultLifetimes: document.default_ttl ?? [],
    heuristic: guess,
    longestLifetime: document.longest_ttl ?? null,
    staleWhileRevalidate: document.stale_while_revalidate,
    staleIfError: document.stale_if_error,
    storesCookies: document.store_cookies,
    heedsRequests: document.heed_requests,
    targetedFields: targeted?.map((name) => name.toLowerCase()) ?? DEFAULT_POLICY.targetedFields,
    purgeFrom: document.purge_from ?? [],
  };
});

/** Null: no cache is asked. */
const cacheUse: z.ZodType<CacheUseDraft | null> = oneOf(`off, ${USE_EXPECTED}, or a map with use`, [
  off(),
  use.transform((named) => useMap.parse({ use: named })),
  useMap,
]);

/** What a listener says for those of its routes that don't say it themselves. */
export interface CacheKeysDraft {
  /** Undefined: nothing is said of it. */
  readonly cache: CacheUseDraft | null | undefined;
}

export const cacheKeys: { readonly cache: z.ZodType<CacheUseDraft | null | undefined> } = {
  cache: cacheUse
    .optional()
    .describe(
      "Answers requests from a cache: the name of one of `caches`, the size of one of its own like `256MiB`, or a map; `off`: none is asked. A route goes by its listener unless it says something itself.",
    ),
};
