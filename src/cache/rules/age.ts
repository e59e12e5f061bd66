import { MOST_SECONDS } from "./directives.ts";
import { parseSeconds } from "./seconds.ts";

/**
 * What the Age fields of a response say, in seconds. Of several values the first counts, parameters don't (RFC 9111 §5.1).
 * @returns 0 for what can't be understood: it is ignored
 */
export function parseAge(value: string): number {
  const end = value.search(/[,;]/);
  const seconds = parseSeconds((end === -1 ? value : value.slice(0, end)).trim());
  return Number.isNaN(seconds) ? 0 : seconds;
}

/** What an age is made of; times in milliseconds since 1970. */
export interface AgeSource {
  readonly requestTime: number;
  readonly responseTime: number;
  /** Of the field Date; NaN without one that can be read. */
  readonly date: number;
  /** Of the field Age, in seconds. */
  readonly age: number;
}

/**
 * When the response was made, by its own account and by ours, whichever is longer ago (RFC 9111 §4.2.3): its current age
 * is what has passed since.
 */
export function bornAt({ requestTime, responseTime, date, age }: AgeSource): number {
  const delay = Math.max(0, responseTime - requestTime);
  const apparent = Number.isNaN(date) ? 0 : Math.max(0, responseTime - date);
  return responseTime - Math.max(apparent, age * 1000 + delay);
}

/**
 * The age at `now` of what was born then, in milliseconds. Never negative, whatever became of the clock.
 * @param born as `bornAt` found out
 */
export function currentAge(born: number, now: number): number {
  return now > born ? now - born : 0;
}

/** An age as the field Age tells it: whole seconds, at most 2^31. */
export function wholeSeconds(milliseconds: number): number {
  return Math.min(Math.floor(milliseconds / 1000), MOST_SECONDS);
}
