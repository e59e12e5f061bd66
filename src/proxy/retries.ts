import type { ProxyError } from "../base/errors.ts";
import type { Session } from "./session.ts";

export interface RetryPolicy {
  /** Attempts in all, the first one included. 1: no retries. */
  readonly maxTries: number;
  /**
   * Also repeats requests whose method isn't idempotent when a reused connection died before any response byte. Off:
   * the server may have acted on the first one (RFC 9110 §9.2.2).
   */
  readonly nonIdempotent: boolean;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = { maxTries: 16, nonIdempotent: false };

/** Methods whose repetition has no further effect (RFC 9110 §9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/** Whether a request that failed before its response began is sent again. Its body is known to be repeatable. */
export function mayRetry<C>(
  error: ProxyError,
  session: Session<C>,
  reused: boolean,
  policy: RetryPolicy,
): boolean {
  if (session.tries >= policy.maxTries) return false;
  if (error.retry !== "reused") return error.retry === "yes";
  return isReplaceable(session, reused, policy);
}

/** Whether a request is sent again without being asked for when its connection dies before the response. */
export function isReplaceable<C>(session: Session<C>, reused: boolean, policy: RetryPolicy): boolean {
  return reused && (policy.nonIdempotent || isIdempotent(session.request.method));
}
