import type { TopKind } from "../../observe/traffic/report.ts";
import type { TrafficStats } from "../../observe/traffic/traffic-keeper.ts";
import {
  type ApiRequest,
  type ApiResponse,
  emptyAnswer,
  jsonAnswer,
  textAnswer,
} from "../http/api-message.ts";
import { statsView, topView } from "./stats-views.ts";

const DEFAULT_LIMIT = 20;
const MOST = 4096;

/** Answers what has passed, and whose it was; null when that isn't what is asked. */
export function answerStats(stats: TrafficStats, request: ApiRequest): ApiResponse | null {
  const { method, path, query } = request;
  if (path !== "/stats" && path !== "/stats/top") return null;
  if (method !== "GET") return emptyAnswer(405);
  if (!stats.settings.enabled)
    return textAnswer(404, "Nothing is counted: stats was off when the process started");
  if (path === "/stats") return json(statsView(stats.report(), query.get("history") === "true"));
  return answerTop(stats, query);
}

function answerTop(stats: TrafficStats, query: URLSearchParams): ApiResponse {
  const by = query.get("by") ?? "client";
  const limit = Number(query.get("limit") ?? DEFAULT_LIMIT);
  if (!isTopKind(by)) return textAnswer(400, "by is client or path");
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST)
    return textAnswer(400, `limit is a whole number from 1 to ${MOST}`);
  return json(topView(by, stats.top(by, limit)));
}

function isTopKind(by: string): by is TopKind {
  return by === "client" || by === "path";
}

function json(value: unknown): ApiResponse {
  return jsonAnswer(200, `${JSON.stringify(value)}\n`);
}
