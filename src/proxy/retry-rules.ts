import type { ErrorCode, ProxyError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { StatusRange } from "../upstream/group-settings.ts";
import { isIdempotent, type RetryPolicy } from "./retries.ts";

/*
 * What a retry policy makes of one attempt.
 *
 *     fails to connect ─ nothing was sent ──────────────────────────────▶ onConnectFailure
 *     dies on a reused connection ─┐                                  ┌─▶ replaced, whatever the policy
 *     dies on a fresh one ─────────┤  body begun, not idempotent?     ├─▶ onReset
 *     takes too long ──────────────┤    yes: nobody repeats it        ├─▶ onTimeout
 *     is answered with a status ───┘    no ───────────────────────────┼─▶ onStatus
 *                                                                     └─▶ onGrpcStatus
 */

const TIMEOUTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "UPSTREAM_CONNECT_TIMEOUT",
  "UPSTREAM_FIRST_BYTE_TIMEOUT",
  "UPSTREAM_READ_TIMEOUT",
  "UPSTREAM_WRITE_TIMEOUT",
]);

/** What ends a connection before a response. What a server says that is no HTTP ends it too. */
const RESETS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "UPSTREAM_CLOSED",
  "UPSTREAM_RESET",
  "UPSTREAM_BAD_RESPONSE",
  "UPSTREAM_FLOOD",
]);

/** Whether a request of this method may be repeated. Without a byte of its body no server can have acted on it. */
export function mayRepeat(policy: RetryPolicy, method: string, isActedOn: boolean): boolean {
  return !isActedOn || policy.nonIdempotent || isIdempotent(method);
}

/** Whether this policy ever repeats a request after some of it was sent to a server that was reached. */
export function repeatsSent(policy: RetryPolicy): boolean {
  const { onReset, onTimeout, onStatus, onGrpcStatus, hedgeAfter } = policy;
  return onReset || onTimeout || onStatus.length > 0 || onGrpcStatus.length > 0 || hedgeAfter > 0;
}

/** Makes of a failure to connect what the policy wants, for the phase that looks at it to change. */
export function judgeConnectFailure(error: ProxyError, policy: RetryPolicy): void {
  const isLate = policy.onTimeout && TIMEOUTS.has(error.code);
  if (policy.onConnectFailure || isLate) error.retry = "yes";
}

/**
 * Makes of a failure what the policy wants, for the phase that looks at it to change. The request may be repeated, and the
 * client has got nothing yet.
 * @param isReplaceable whether the connection had been used before, and may be replaced whatever the policy says
 * @param isAnswered whether the response's head had come
 */
export function judgeFailure(
  error: ProxyError,
  policy: RetryPolicy,
  isReplaceable: boolean,
  isAnswered: boolean,
): void {
  // A reused connection is replaced without that being anybody's retry, as is one that took nothing of the request.
  if (error.retry === "yes" || error.retry === "untouched" || (error.retry === "reused" && isReplaceable))
    return;
  const isReset = RESETS.has(error.code) && !isAnswered;
  if ((policy.onReset && isReset) || (policy.onTimeout && TIMEOUTS.has(error.code))) error.retry = "yes";
}

export function includesStatus(ranges: readonly StatusRange[], status: number): boolean {
  for (let i = 0; i < ranges.length; i++) {
    if (status >= ranges[i]!.first && status <= ranges[i]!.last) return true;
  }
  return false;
}

/** Milliseconds to wait before the attempt that follows `tries` others: full jitter, so that clients don't come in waves. */
export function backoffOf(policy: RetryPolicy, tries: number, random: Random): number {
  if (policy.backoff === 0) return 0;
  return random.next() * Math.min(policy.backoff * 2 ** (tries - 1), policy.longestBackoff);
}
