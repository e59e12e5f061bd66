import * as z from "zod";
import type { TopKind } from "../../observe/traffic/report.ts";
import type { Place, Stats, StatsSource, TopEntry, TopList } from "../../tui/top/stats.ts";
import type { ApiClient } from "./api-client.ts";
import { known } from "./upstreams-client.ts";

const latencyShape = z.looseObject({
  count: z.number(),
  p50: z.number(),
  p90: z.number(),
  p99: z.number(),
  max: z.number(),
});

const windowShape = z.looseObject({
  seconds: z.number(),
  rates: z.looseObject({
    connections: z.number(),
    requests: z.number(),
    bytes_in: z.number(),
    bytes_out: z.number(),
    failed: z.number(),
  }),
  latency: latencyShape,
});

const placeShape: z.ZodType<Place> = z.looseObject({
  name: z.string().optional(),
  listener: z.string().optional(),
  connections: z.number(),
  connections_open: z.number(),
  requests: z.number(),
  requests_open: z.number(),
  bytes_in: z.number(),
  bytes_out: z.number(),
  failed: z.number(),
  restarts: z.number().optional(),
  windows: z.looseObject({ "1s": windowShape, "10s": windowShape, "60s": windowShape }),
  history: z.array(z.number()),
});

const statsShape: z.ZodType<Stats> = z.looseObject({
  since: z.number(),
  time: z.number(),
  total: placeShape,
  listeners: z.array(placeShape),
  routes: z.array(placeShape),
  upstreams: z.array(placeShape),
  plugins: z.array(placeShape),
});

const entryShape = z.looseObject({
  client: z.string().optional(),
  path: z.string().optional(),
  is_cut: z.boolean(),
  count: z.number(),
  at_least: z.number(),
  bytes_in: z.number(),
  bytes_out: z.number(),
  failed: z.number(),
  latency: latencyShape,
});

const topShape = z.looseObject({ total: z.number(), least: z.number(), entries: z.array(entryShape) });

/** Asks a running process what passes it. Rejects with an `ApiError`. */
export function statsSource(client: ApiClient): StatsSource {
  return {
    url: client.url,
    stats: () => ask(client, client.read("GET", "/stats?history=true", statsShape)),
    top: async (by, limit) => toList(by, await ask(client, readTop(client, by, limit))),
  };
}

function ask<T>(client: ApiClient, call: Promise<T>): Promise<T> {
  return known(client, call, "counts no traffic");
}

function readTop(client: ApiClient, by: TopKind, limit: number): Promise<z.infer<typeof topShape>> {
  return client.read("GET", `/stats/top?by=${by}&limit=${limit}`, topShape);
}

function toList(by: TopKind, { total, least, entries }: z.infer<typeof topShape>): TopList {
  return { total, least, entries: entries.map((entry) => toEntry(entry[by] ?? "", entry)) };
}

function toEntry(key: string, entry: z.infer<typeof entryShape>): TopEntry {
  const { is_cut, count, at_least, bytes_in, bytes_out, failed, latency } = entry;
  return {
    ...{ key, isCut: is_cut, count, atLeast: at_least },
    ...{ bytesIn: bytes_in, bytesOut: bytes_out, failed, latency },
  };
}
