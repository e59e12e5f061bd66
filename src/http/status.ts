import { nodeHttp } from "./node-http.ts";

/** The standard reason phrase of a status, or "Unknown" (RFC 9110 §15). */
export function reasonPhrase(status: number): string {
  return nodeHttp.STATUS_CODES[status] ?? "Unknown";
}

/** True for responses that never carry a body, whatever their fields say (RFC 9112 §6.3). */
export function isBodiless(status: number): boolean {
  return status < 200 || status === 204 || status === 304;
}
