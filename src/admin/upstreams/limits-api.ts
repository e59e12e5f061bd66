import type { Limits } from "../../control/limits.ts";
import { type ApiRequest, type ApiResponse, emptyAnswer, jsonAnswer } from "../http/api-message.ts";
import { limitView } from "./views.ts";

/** Answers what became of requests at limits; null when that isn't what is asked. */
export function answerLimits(limits: Limits, { method, path }: ApiRequest): ApiResponse | null {
  if (path !== "/limits") return null;
  if (method !== "GET") return emptyAnswer(405);
  return jsonAnswer(200, `${JSON.stringify(limits.list().map(limitView))}\n`);
}
