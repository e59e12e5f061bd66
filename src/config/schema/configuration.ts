import * as z from "zod";
import { DEFAULT_TRAFFIC } from "../../base/traffic/traffic-settings.ts";
import { DEFAULT_RETRY_POLICY } from "../../proxy/retries.ts";
import { DEFAULT_POOL_OPTIONS } from "../../upstream/pool.ts";
import { ACCESS_LOG_FORMATS, type AccessLogSettings, LOG_LEVELS, type Snapshot } from "../snapshot.ts";
import { type CacheDraft, namedCaches } from "./cache.ts";
import { admin, chaos, stats } from "./control.ts";
import { type FilterDraft, namedFilters } from "./filter.ts";
import { type LimitDraft, namedLimits } from "./limit.ts";
import { type ListenerDraft, listener } from "./listener.ts";
import { namedPlugins, type PluginDraft } from "./plugin.ts";
import { processKeys, toProcessSettings } from "./process.ts";
import { redis } from "./redis.ts";
import { type RouteDraft, route } from "./route.ts";
import { duration } from "./units.ts";
import { type UpstreamDraft, upstreams } from "./upstream.ts";
import { choice, flag, integer, list, off, oneOf, section, text } from "./values.ts";

const MOST_THREADS = 256;
const format = choice(ACCESS_LOG_FORMATS);

/** Null for none; a word is the format. */
const accessLog: z.ZodType<AccessLogSettings | null> = oneOf(
  "off, combined, json, or a map with format and path",
  [
    off(),
    format.transform((word): AccessLogSettings => ({ format: word, path: "stdout" })),
    section("AccessLog", "A line for every request.", {
      format: format
        .default("combined")
        .describe("`combined` as Apache and nginx write it, or `json`, which has everything."),
      path: text("a file, or stdout").default("stdout").describe("A file, or `stdout`."),
    }),
  ],
);

/** A document that fits the schema; whether its references lead anywhere is not known yet. */
export interface ConfigurationDraft
  extends Omit<
    Snapshot,
    "listeners" | "proxies" | "upstreams" | "limits" | "caches" | "plugins" | "filters" | "warnings"
  > {
  readonly listeners: readonly ListenerDraft[];
  readonly routes: readonly RouteDraft[];
  readonly upstreams: Readonly<Record<string, UpstreamDraft>>;
  readonly limits: Readonly<Record<string, LimitDraft>>;
  readonly caches: Readonly<Record<string, CacheDraft>>;
  readonly plugins: Readonly<Record<string, PluginDraft>>;
  readonly filters: Readonly<Record<string, FilterDraft>>;
}

const SECONDS_EXPECTED = "a number of seconds";

/** The whole document. */
export const configuration: z.ZodType<ConfigurationDraft> = section(
  "Configuration",
  "A configuration of Sluice.",
  {
    version: z.literal(1, { error: "1" }).default(1).describe("The version of this format."),
    threads: oneOf("auto, or a whole number from 0 to 256", [
      z.literal("auto", { error: "auto" }),
      integer(0, MOST_THREADS),
    ])
      .default("auto")
      .describe(
        "Worker threads. `auto`: as many as there are processors. 0: everything runs in the main thread.",
      ),
    error_log: text("a path")
      .optional()
      .describe("A file for what happens to the proxy itself. Default: standard error."),
    log_level: choice(LOG_LEVELS).default("info").describe("How much of that is told."),
    access_log: accessLog
      .prefault("off")
      .describe("A line for every request: `off`, `combined`, `json`, or a map."),
    grace_period_seconds: z
      .number({ error: SECONDS_EXPECTED })
      .min(0, { error: SECONDS_EXPECTED })
      .max(86_400, { error: "at most a day" })
      .default(30)
      .describe("How long requests under way may take when the proxy shuts down."),
    ...processKeys,
    upstream_keepalive_pool_size: integer(0, 1_000_000)
      .default(DEFAULT_POOL_OPTIONS.size)
      .describe("Idle connections to servers that each thread keeps. 0: none."),
    upstream_keepalive_timeout: duration
      .prefault(`${DEFAULT_POOL_OPTIONS.idleTimeout / 1000}s`)
      .describe("Idleness after which such a connection is closed. 0: never."),
    max_retries: integer(0, 1000)
      .default(DEFAULT_RETRY_POLICY.maxTries)
      .describe("Attempts to reach a server for one request, the first one included. 1 or 0: no retries."),
    retry_non_idempotent: flag()
      .default(DEFAULT_RETRY_POLICY.nonIdempotent)
      .describe(
        "Repeats POST and the like too when a connection that had been used before dies without a response.",
      ),
    zone: text("a name")
      .optional()
      .describe("Where this proxy stands: servers of the same zone are preferred. Default: nowhere."),
    redis: redis
      .optional()
      .describe("Where several machines share what `limits` count. Default: each process counts for itself."),
    chaos: chaos.prefault({}).describe("Faults, as far as they concern everything."),
    admin: admin
      .optional()
      .describe(
        "Where the HTTP API listens by which proxies and faults are steered. Default: there is none.",
      ),
    stats: stats
      .optional()
      .describe(
        "Whether the traffic of listeners, routes, upstreams, clients and paths is counted: `true`, `false`, or a map. Default: if there is an `admin` API to ask for it. It counts when the process starts.",
      ),
    listeners: list(listener, "a list of listeners")
      .optional()
      .describe("Where clients connect. Only the settings of a program may leave them out."),
    routes: list(route, "a list of routes")
      .optional()
      .describe(
        "The routes of every listener that has none of its own. In order; the first that matches takes the request.",
      ),
    upstreams: upstreams
      .optional()
      .describe("Groups of servers by name. An address or a list of addresses is enough for one."),
    limits: namedLimits
      .optional()
      .describe("Limits on requests by name: routes that name one share what it allows."),
    caches: namedCaches
      .optional()
      .describe("Caches by name, for `cache` of listeners and routes. A size is enough for one."),
    plugins: namedPlugins
      .optional()
      .describe("Plugins by name, for `plugins` of listeners and routes. A path is enough for one."),
    filters: namedFilters
      .optional()
      .describe(
        "Filters by name, for `filters` of listeners and routes. The path of a module is enough for one.",
      ),
  },
).transform((document): ConfigurationDraft => {
  return {
    threads: document.threads === "auto" ? null : document.threads,
    pidFile: document.pid_file ?? null,
    errorLog: document.error_log ?? null,
    logLevel: document.log_level,
    accessLog: document.access_log,
    gracePeriod: Math.round(document.grace_period_seconds * 1000),
    process: toProcessSettings(document),
    pool: { size: document.upstream_keepalive_pool_size, idleTimeout: document.upstream_keepalive_timeout },
    retries: {
      ...DEFAULT_RETRY_POLICY,
      maxTries: document.max_retries,
      nonIdempotent: document.retry_non_idempotent,
    },
    zone: document.zone ?? null,
    redis: document.redis ?? null,
    chaos: document.chaos,
    admin: document.admin ?? null,
    stats: document.stats ?? { ...DEFAULT_TRAFFIC, enabled: document.admin !== undefined },
    listeners: document.listeners ?? [],
    routes: document.routes ?? [],
    upstreams: document.upstreams ?? {},
    limits: document.limits ?? {},
    caches: document.caches ?? {},
    plugins: document.plugins ?? {},
    filters: document.filters ?? {},
  };
});
