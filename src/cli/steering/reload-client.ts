import * as z from "zod";
import type { ConfigProblem } from "../../config/config-error.ts";
import type { ConfigText } from "../../config/load.ts";
import type { GenerationStatus } from "../../control/planes.ts";
import type { Change } from "../../control/reload/diff.ts";
import type { GoodOne } from "../../control/reload/reloader.ts";
import type { ReloadNote, ReloadPreview, ReloadReport } from "../../control/reload/report.ts";
import { type ApiClient, ApiError } from "./api-client.ts";
import { known } from "./upstreams-client.ts";

/** How it stands with reloading, as the API tells it. */
export interface ApiReloadStatus extends GoodOne {
  readonly is_rolled_back: boolean;
  readonly is_reloading: boolean;
  readonly last_error: { readonly time: number; readonly message: string } | null;
  /** The one that takes connections first. */
  readonly generations: readonly GenerationStatus[];
}

const changeShape: z.ZodType<Change> = z.object({
  path: z.string(),
  kind: z.enum(["added", "removed", "changed"]),
  before: z.unknown(),
  after: z.unknown(),
  applied: z.enum(["in place", "new generation", "restart"]),
});

const noteShape: z.ZodType<ReloadNote> = z.object({ path: z.string(), message: z.string() });

const reportShape: z.ZodType<ReloadReport> = z.object({
  kind: z.enum(["nothing", "swap", "generation"]),
  number: z.number(),
  changes: z.array(changeShape),
  notes: z.array(noteShape),
  warnings: z.array(noteShape),
  took: z.number(),
});

const previewShape: z.ZodType<ReloadPreview> = z.object({
  kind: z.enum(["nothing", "swap", "generation"]),
  changes: z.array(changeShape),
  modules: z.array(z.string()),
});

const generationShape: z.ZodType<GenerationStatus> = z.looseObject({
  number: z.number(),
  since: z.number(),
  threads: z.number(),
  connections: z.number(),
  draining: z.boolean(),
});

const statusShape: z.ZodType<ApiReloadStatus> = z.looseObject({
  number: z.number(),
  since: z.number(),
  is_rolled_back: z.boolean(),
  is_reloading: z.boolean(),
  last_error: z.looseObject({ time: z.number(), message: z.string() }).nullable(),
  generations: z.array(generationShape),
});

const problemShape: z.ZodType<ConfigProblem> = z.object({
  file: z.string(),
  line: z.number(),
  column: z.number(),
  path: z.string(),
  message: z.string(),
  expected: z.exactOptional(z.string()),
  suggestion: z.exactOptional(z.string()),
});

const refusalShape = z.looseObject({ problems: z.array(problemShape) });

/** Rejects with an `ApiError`, as all of these do. */
export function reload(client: ApiClient, what: "reload" | "rollback"): Promise<ReloadReport> {
  return ask(client, client.read("POST", `/${what}`, reportShape));
}

/** What a reload would do. @param other in the place of what the process would read; null: that */
export function previewReload(client: ApiClient, other: ConfigText | null): Promise<ReloadPreview> {
  if (other === null) return ask(client, client.read("GET", "/diff", previewShape));
  return ask(client, client.read("POST", "/diff", previewShape, other));
}

function ask<T>(client: ApiClient, call: Promise<T>): Promise<T> {
  return known(client, call, "can't be reloaded");
}

const NOT_FOUND = 404;

/** Null for one that never reloads. */
export async function reloadStatus(client: ApiClient): Promise<ApiReloadStatus | null> {
  try {
    return await client.read("GET", "/reload", statusShape);
  } catch (error) {
    if (error instanceof ApiError && error.status === NOT_FOUND) return null;
    throw error;
  }
}

/** Why a reload was refused, as far as that has places in files. */
export function problemsOf({ details }: ApiError): readonly ConfigProblem[] {
  return refusalShape.safeParse(details).data?.problems ?? [];
}
