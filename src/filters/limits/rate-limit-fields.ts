import type { Decision } from "../../limits/limiter.ts";
import type { LimitSettings } from "../settings.ts";

/*
 * The fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10): lists of structured fields
 * (RFC 9651), an item for each limit, by its name.
 *
 *     RateLimit-Policy: "api";q=100;w=60, "uploads";q=4;qu="concurrent-requests"
 *     RateLimit: "api";r=42;t=17, "uploads";r=3
 *
 * A partition key isn't told: it would be the client's address, or what it proves by a header.
 */

/**
 * The name of a limit as a structured string, which is ASCII (RFC 9651 §3.3.3). One that has no name of its own is called by
 * what it allows: its place in the configuration is nothing to clients.
 */
export function limitLabel({ name, algorithm, limit, window }: LimitSettings): string {
  if (!name.includes("[")) return structuredString(name);
  return structuredString(
    algorithm === "concurrency" ? `${limit} at once` : `${limit} per ${window / 1000}s`,
  );
}

function structuredString(name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]/gu, (character) => encodeURIComponent(character.toWellFormed()));
  return `"${ascii.replace(/["\\]/g, "\\$&")}"`;
}

/** What a limit allows. The same for all responses. */
export function policyItem(settings: LimitSettings): string {
  const { algorithm, limit, window, burst } = settings;
  const item = `${limitLabel(settings)};q=${limit}`;
  if (algorithm === "concurrency") return `${item};qu="concurrent-requests"`;
  // Only whole seconds can be told (§3.1.3).
  const timed = window % 1000 === 0 ? `${item};w=${window / 1000}` : item;
  return algorithm === "token_bucket" && burst !== limit ? `${timed};sluice-burst=${burst}` : timed;
}

/** Items that are remembered: with many clients at one limit the same few come up over and over. A power of two. */
const REMEMBERED = 4096;

/** How much of a limit is left to requests that were let in, and how long until there is all of it. */
export class RemainingItems {
  readonly #label: string;
  /** By a hash of both numbers, which stand beside it. To put an item together costs ten times as much. */
  readonly #texts: string[] = new Array(REMEMBERED).fill("");
  readonly #remaining: Int32Array = new Int32Array(REMEMBERED);
  readonly #seconds: Int32Array = new Int32Array(REMEMBERED);

  /** @param label of the limit */
  constructor(label: string) {
    this.#label = label;
  }

  of({ remaining, reset }: Decision): string {
    const seconds = reset === 0 ? 0 : wholeSeconds(reset);
    const at = (remaining + Math.imul(seconds, 61)) & (REMEMBERED - 1);
    const known = this.#texts[at]!;
    if (known !== "" && this.#remaining[at] === remaining && this.#seconds[at] === seconds) return known;
    const text = `${this.#label};r=${remaining}${seconds === 0 ? "" : `;t=${seconds}`}`;
    this.#texts[at] = text;
    this.#remaining[at] = remaining;
    this.#seconds[at] = seconds;
    return text;
  }
}

/**
 * The same for a request that was refused: nothing, until it may be tried again. `Retry-After` and this must not differ
 * (§5), and what is still to come after that is nothing to who has to wait.
 */
export function refusedItem(label: string, { reset, retryAfter }: Decision): string {
  return reset === 0 ? `${label};r=0` : `${label};r=0;t=${wholeSeconds(retryAfter)}`;
}

/** Seconds to wait at least, as `Retry-After` has them (RFC 9110 §10.2.3). */
export function wholeSeconds(milliseconds: number): number {
  return Math.max(Math.ceil(milliseconds / 1000), 1);
}
