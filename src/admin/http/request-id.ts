import { randomBytes } from "node:crypto";

const LENGTH = 20;
const DIGITS = "0123456789abcdefghijklmnopqrstuv";

/** Tells one request from all others: 100 random bits in 20 characters. */
export function requestId(): string {
  return Array.from(randomBytes(LENGTH), (byte) => DIGITS[byte % DIGITS.length]).join("");
}
