import { idleAlarms } from "../../src/base/alarms.ts";
import { seededRandom } from "../../src/base/random.ts";
import { allocateLimiterMemory, createLimiter } from "../../src/limits/create-limiter.ts";
import { LimitCounts } from "../../src/limits/limit-counts.ts";
import { countsOf } from "../../src/limits/limit-memory.ts";
import type { Limiter } from "../../src/limits/limiter.ts";
import type { LimiterSettings } from "../../src/limits/limiter-settings.ts";
import { RedisLimits } from "../../src/limits/redis/redis-limits.ts";

export interface StagedLimit {
  readonly limiter: Limiter;
  /** Decisions that were made here. */
  readonly errors: number;
}

/** The shared limits of one thread, and what it is told of Redis. */
export class RedisLimitStage implements Disposable {
  /** `away`, `back`, or `error` with what Redis said. */
  readonly events: string[] = [];
  /** Why Redis was away. */
  readonly reasons: string[] = [];
  readonly #limits: RedisLimits;
  readonly #url: string;
  readonly #timeout: number;

  /** @param timeout milliseconds a request waits; generous where it isn't what is tested */
  constructor(url: string, timeout: number = 5000) {
    this.#url = url;
    this.#timeout = timeout;
    this.#limits = new RedisLimits({
      clock: idleAlarms,
      random: seededRandom("redis"),
      report: {
        onAway: (_url, reason) => {
          this.events.push("away");
          this.reasons.push(reason);
        },
        onBack: () => this.events.push("back"),
        onError: (_limit, message) => this.events.push(`error ${message}`),
      },
    });
  }

  /** A limit of 5 a minute by a fixed window, unless something else is wanted. */
  limit(changes: Partial<LimiterSettings> = {}, name: string = "test"): StagedLimit {
    const base = { algorithm: "fixed_window", limit: 5, window: 60_000, burst: 5, mostKeys: 1000 } as const;
    const settings = { ...base, ...changes, name };
    const memory = allocateLimiterMemory(settings, 1);
    const counts = new LimitCounts(countsOf(memory), 0);
    const place = { url: this.#url, prefix: "test:", timeout: this.#timeout };
    const limiter = this.#limits.limiterFor(settings, place, createLimiter(settings, memory, 0), counts);
    return {
      limiter,
      get errors(): number {
        return counts.totals.errors;
      },
    };
  }

  /** Kept when Redis was found, or not. */
  get begun(): Promise<unknown> {
    return this.#limits.begun;
  }

  [Symbol.dispose](): void {
    this.#limits.close();
  }
}
