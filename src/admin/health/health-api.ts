import type { Health } from "../../control/health.ts";
import { type ApiRequest, type ApiResponse, emptyAnswer, jsonAnswer } from "../http/api-message.ts";

/**
 * Answers orchestrators; null when something else is asked. `/health/live` is answered by 200 for as long as this thread
 * answers at all, `/health/ready` by 200 while new clients are welcome, and by 503 before and after that.
 */
export async function answerHealth(health: Health, request: ApiRequest): Promise<ApiResponse | null> {
  const { method, path } = request;
  if (path !== "/health/live" && path !== "/health/ready") return null;
  if (method !== "GET" && method !== "HEAD") return emptyAnswer(405, { Allow: "GET, HEAD" });
  if (path === "/health/live")
    return toAnswer(200, { status: health.phase, threads: await health.threads() });
  return toAnswer(health.phase === "ready" ? 200 : 503, { status: health.phase });
}

function toAnswer(status: number, body: object): ApiResponse {
  return jsonAnswer(status, `${JSON.stringify(body)}\n`);
}
