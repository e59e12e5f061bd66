import { performance } from "node:perf_hooks";

/** The time in this turn; -1: not looked at yet; -2: nobody said that a turn began. */
let now = -2;

/** A socket's bytes are about to be handled: what is done with them happens at one and the same time. */
export function beginTurn(): void {
  now = -1;
}

export function endTurn(): void {
  now = -2;
}

/**
 * Milliseconds of `performance.now()`, as they were when they were first asked for while bytes of a socket were being
 * handled. The head of a response and its end mostly come together, and to read the clock costs as much as all that is
 * counted of a request: once instead of twice is half a percent of what a small request costs.
 */
export function turnNow(): number {
  if (now >= 0) return now;
  if (now === -2) return performance.now();
  now = performance.now();
  return now;
}

/** What the time of day is ahead of `performance.now()`, and when by that it is to be looked at again. */
let ahead = 0;
let looksAt = 0;
/** Somebody may set the clock. */
const LOOKS_EVERY = 1000;

/** Milliseconds since 1970, likewise: whoever asks for both times has one clock read instead of two. */
export function turnDate(): number {
  if (now === -2) return Date.now();
  const at = turnNow();
  if (at >= looksAt) {
    ahead = Date.now() - at;
    looksAt = at + LOOKS_EVERY;
  }
  return Math.floor(at + ahead);
}
