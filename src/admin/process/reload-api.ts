import { ConfigError } from "../../config/config-error.ts";
import type { GenerationStatus } from "../../control/planes.ts";
import type { ReloadControl } from "../../control/reload/reload-control.ts";
import { NothingEarlierError, type ReloadStatus } from "../../control/reload/reloader.ts";
import { ApiFault, type ApiRequest, type ApiResponse, emptyAnswer, jsonAnswer } from "../http/api-message.ts";
import { readConfigText } from "./config-text.ts";

/** What the API asks. */
export interface ReloadApiMeans {
  readonly reloads: ReloadControl;
  /** The threads that take connections, and those before them that finish what they have. */
  generations(): readonly GenerationStatus[];
}

type Act = (means: ReloadApiMeans, request: ApiRequest) => Promise<unknown>;

const ACTIONS: ReadonlyMap<string, Act> = new Map<string, Act>([
  ["GET /reload", async (means) => statusView(await means.reloads.status(), means.generations())],
  ["POST /reload", ({ reloads }) => reloads.reload()],
  ["POST /rollback", ({ reloads }) => reloads.rollback()],
  ["GET /diff", ({ reloads }) => reloads.preview(null)],
  ["POST /diff", async ({ reloads }, request) => reloads.preview(readConfigText(await request.body()))],
]);
const PATHS: ReadonlySet<string> = new Set([...ACTIONS.keys()].map((key) => key.split(" ")[1]!));

/** Has the process run what its files hold by then, or what it ran before; null when that isn't what is asked. */
export async function answerReload(means: ReloadApiMeans, request: ApiRequest): Promise<ApiResponse | null> {
  const { method, path } = request;
  if (!PATHS.has(path)) return null;
  const act = ACTIONS.get(`${method} ${path}`);
  if (act === undefined) return emptyAnswer(405);
  try {
    return json(200, await act(means, request));
  } catch (error) {
    if (error instanceof ApiFault) throw error;
    return json(CONFLICT, refusal(error as Error));
  }
}

function statusView(status: ReloadStatus, generations: readonly GenerationStatus[]): object {
  const { current, isRolledBack, isReloading, earlier, lastError, lastReport } = status;
  return {
    ...current,
    ...{ is_rolled_back: isRolledBack, is_reloading: isReloading, earlier },
    ...{ last_error: lastError, last_report: lastReport, generations },
  };
}

const CONFLICT = 409;

/** `problems` are those that have a place in a file. */
function refusal(error: Error): object {
  const problems = error instanceof ConfigError ? error.entries : [];
  const code = error instanceof NothingEarlierError ? "NOTHING_EARLIER" : "NOT_RELOADED";
  return { error: error.message, code, status: CONFLICT, problems };
}

function json(status: number, value: unknown): ApiResponse {
  return jsonAnswer(status, `${JSON.stringify(value)}\n`);
}
