import * as z from "zod";
import { type ApiClient, ApiError } from "./api-client.ts";

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

const statsShape = z.looseObject({ plugins: z.array(pluginShape) });

const NOT_FOUND = 404;

/** None where nothing is counted. Rejects with an `ApiError`. */
export async function listPlugins(client: ApiClient): Promise<readonly ApiPlugin[]> {
  try {
    return (await client.read("GET", "/stats", statsShape)).plugins;
  } catch (error) {
    if (error instanceof ApiError && error.status === NOT_FOUND) return [];
    throw error;
  }
}
