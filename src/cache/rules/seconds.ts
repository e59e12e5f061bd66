import { MOST_SECONDS } from "./directives.ts";

const ZERO = 0x30;
const NINE = 0x39;

/**
 * `delta-seconds` (RFC 9111 §1.2.2): digits and nothing else, however many leading zeros.
 * @returns at most 2^31; NaN for anything else, as negative and decimal numbers
 */
export function parseSeconds(text: string): number {
  if (text === "") return Number.NaN;
  let seconds = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < ZERO || code > NINE) return Number.NaN;
    seconds = Math.min(seconds * 10 + code - ZERO, MOST_SECONDS);
  }
  return seconds;
}
