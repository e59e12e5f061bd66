import { UpstreamError, type UpstreamProblem } from "../../control/upstreams.ts";
import { ApiFault, type ApiResponse, jsonAnswer } from "../http/api-message.ts";

const STATUSES: Readonly<Record<UpstreamProblem, number>> = {
  UPSTREAM_NOT_FOUND: 404,
  SERVER_NOT_FOUND: 404,
  INVALID: 400,
};

/** What went wrong, as a client is told it. What isn't for clients to know is thrown on. */
export function toUpstreamFault(error: unknown): ApiFault {
  if (error instanceof ApiFault) return error;
  if (!(error instanceof UpstreamError)) throw error;
  return new ApiFault(STATUSES[error.code], error.message, { cause: error });
}

/** `{"error":"there is no upstream \"ap\": did you mean api?","code":"UPSTREAM_NOT_FOUND","status":404}` */
export function upstreamFaultAnswer(fault: ApiFault): ApiResponse {
  const { message: error, status, cause } = fault;
  const code = cause instanceof UpstreamError ? { code: cause.code } : {};
  return jsonAnswer(status, `${JSON.stringify({ error, ...code, status })}\n`);
}
