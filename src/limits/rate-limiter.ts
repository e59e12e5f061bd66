import { monotonicNow } from "../base/monotonic.ts";
import { allocateLimiterMemory, createLimiter } from "./create-limiter.ts";
import type { Decision } from "./limiter.ts";
import type { LimitAlgorithm } from "./limiter-settings.ts";
import type { LocalLimiter } from "./local-limiter.ts";

export interface RateLimiterOptions {
  /**
   * `sliding_window`: never more than the limit in any stretch of time as long as the window. `fixed_window`: so many from
   * the first request on, then none until the window is over. `token_bucket`: evenly, and `burst` at once.
   * `concurrency`: so many under way. Default `sliding_window`.
   */
  readonly algorithm?: LimitAlgorithm;
  /** Requests within a window, or at once. For buckets: what flows in within a window. */
  readonly limit: number;
  /** Milliseconds. Default 1000. */
  readonly window?: number;
  /** What a bucket holds. Default: `limit`. */
  readonly burst?: number;
  /** Keys that are told apart at once; the one not seen for longest makes room. Default 65,536. */
  readonly mostKeys?: number;
  /** Milliseconds of a clock that never goes back. Default: that of the machine. */
  readonly now?: () => number;
}

/**
 * Limits whatever a program counts, for each key apart, in memory of a fixed size. In the thread that made it: what threads are to
 * count together is a limit of the configuration.
 *
 * ```ts
 * const perClient = new RateLimiter({ limit: 5, window: 60_000 });
 * requestFilter(session) {
 *   const { isAllowed, retryAfter } = perClient.take(session.client.address);
 *   if (!isAllowed) return session.respond({ status: 429, headers: { "retry-after": `${Math.ceil(retryAfter / 1000)}` } });
 * }
 * ```
 */
export class RateLimiter {
  readonly #limiter: LocalLimiter;
  readonly #now: () => number;

  /** @throws RangeError when a limit can't be kept with these */
  constructor(options: RateLimiterOptions) {
    const { limit, algorithm = "sliding_window", window = 1000, burst = limit, mostKeys = 65_536 } = options;
    const settings = { algorithm, limit, window, burst, mostKeys };
    this.#limiter = createLimiter(settings, allocateLimiterMemory(settings, 1), 0);
    this.#now = options.now ?? monotonicNow;
  }

  /** Counts a request of a key, unless it is refused. The decision is good until the next one. */
  take(key: string): Decision {
    return this.#limiter.take(key, this.#now());
  }

  /** A request that was let in has ended. Only `concurrency` wants to know. */
  release(key: string): void {
    this.#limiter.release?.(key);
  }
}
