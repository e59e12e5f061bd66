import * as z from "zod";
import { type ApiClient, ApiError } from "./api-client.ts";

/** What has come to a listener since the process began, as the API tells it. */
export interface ApiListener {
  readonly name: string;
  readonly connections: number;
  readonly connections_open: number;
  readonly connections_refused: number;
  readonly requests: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly failed: number;
}

/** A plugin as the API tells it among what is counted. */
export interface ApiPlugin {
  readonly name: string;
  /** What it calls itself. */
  readonly title: string;
  /** The beginning of its file's SHA-256. */
  readonly version: string;
  readonly isolate: string;
  readonly connections: number;
  readonly connections_open: number;
  readonly calls: number;
  readonly failed: number;
  /** How often its process ended by itself. */
  readonly restarts: number;
}

const pluginShape: z.ZodType<ApiPlugin> = z.looseObject({
  name: z.string(),
  title: z.string(),
  version: z.string(),
  isolate: z.string(),
  connections: z.number(),
  connections_open: z.number(),
  calls: z.number(),
  failed: z.number(),
  restarts: z.number(),
});

const listenerShape: z.ZodType<ApiListener> = z.looseObject({
  name: z.string(),
  connections: z.number(),
  connections_open: z.number(),
  connections_refused: z.number(),
  requests: z.number(),
  bytes_in: z.number(),
  bytes_out: z.number(),
  failed: z.number(),
});

/** What is counted since the process began, as far as a status tells it. */
export interface ApiCounted {
  readonly listeners: readonly ApiListener[];
  readonly plugins: readonly ApiPlugin[];
}

const countedShape: z.ZodType<ApiCounted> = z.looseObject({
  listeners: z.array(listenerShape),
  plugins: z.array(pluginShape),
});

const NOT_FOUND = 404;

/** Nothing where nothing is counted. Rejects with an `ApiError`. */
export async function readCounted(client: ApiClient): Promise<ApiCounted> {
  try {
    return await client.read("GET", "/stats", countedShape);
  } catch (error) {
    if (error instanceof ApiError && error.status === NOT_FOUND) return { listeners: [], plugins: [] };
    throw error;
  }
}
