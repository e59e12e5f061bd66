/** What became of a request at a limit. Limiters reuse the object: it is good until they are asked again. */
export interface Decision {
  readonly isAllowed: boolean;
  /** Requests allowed within a window, or at once. */
  readonly limit: number;
  /** How many more would be allowed now. */
  readonly remaining: number;
  /** Milliseconds until `remaining` is whole again. */
  readonly reset: number;
  /** Milliseconds after which a refused request would be allowed; 0 when it was allowed. */
  readonly retryAfter: number;
}

/** Says how much is too much, for each key apart. */
export interface Limiter {
  /**
   * Counts a request, unless it is refused.
   * @param key what is limited: a client's address, say
   * @param now milliseconds of `monotonicNow()`
   */
  take(key: string, now: number): Decision | Promise<Decision>;
  /** What was taken ends. Only where requests are counted while they last. */
  release?(key: string): void;
}
