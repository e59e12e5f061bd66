import type { Decision } from "./limiter.ts";

/** The one object that a limiter answers with, over and over. */
export class LimitDecision implements Decision {
  isAllowed = true;
  readonly limit: number;
  remaining = 0;
  reset = 0;
  retryAfter = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  allow(remaining: number, reset: number): this {
    this.isAllowed = true;
    this.remaining = remaining;
    this.reset = reset;
    this.retryAfter = 0;
    return this;
  }

  refuse(reset: number, retryAfter: number): this {
    this.isAllowed = false;
    this.remaining = 0;
    this.reset = reset;
    this.retryAfter = retryAfter;
    return this;
  }
}
