import { ProxyError } from "../base/errors.ts";
import type { RequestHead } from "../http/heads.ts";

/**
 * `Max-Forwards` of TRACE and OPTIONS counts down at every proxy; at 0 the request ends here (RFC 9110 §7.6.2). We are
 * no origin and echo nothing, so it ends with 405.
 */
export function countDownForwards(request: RequestHead): ProxyError | null {
  if (request.method !== "TRACE" && request.method !== "OPTIONS") return null;
  const left = request.headers.get("max-forwards");
  if (left === null || !/^\d{1,9}$/.test(left)) return null;
  if (Number(left) === 0)
    return new ProxyError("DOWNSTREAM_METHOD_REFUSED", `${request.method} with Max-Forwards: 0`);
  request.headers.set("Max-Forwards", String(Number(left) - 1));
  return null;
}
