import type { Logger } from "pino";
import { Alarm, idleAlarms, threadAlarms } from "../base/alarms.ts";
import { seededRandom } from "../base/random.ts";
import type { LimitMeans } from "../filters/limits/route-limits.ts";
import { LimitCounts } from "../limits/limit-counts.ts";
import { countsOf } from "../limits/limit-memory.ts";
import { RedisLimits } from "../limits/redis/redis-limits.ts";
import { RepeatedErrors } from "../observe/repeated-errors.ts";
import type { ThreadRun } from "./thread-run.ts";

/** Milliseconds that a thread waits for Redis before it takes requests. */
const BEGINNING = 1000;

/** The limits of one thread that are shared with other machines. Tells its log when they are not to be had. */
export class RemoteLimits {
  readonly #redis: RedisLimits;
  readonly #start: ThreadRun;

  /** @param log the one of the moment */
  constructor(start: ThreadRun, log: () => Logger) {
    const errors = new RepeatedErrors((text, more) => log().warn({ more }, `${text} (${more} more)`));
    this.#start = start;
    this.#redis = new RedisLimits({
      clock: idleAlarms,
      random: seededRandom(`${start.spec.seed}/${start.thread}/redis`),
      report: {
        onAway: (redis, cause) =>
          log().warn({ redis, cause }, "Redis is away: each process keeps its limits for itself"),
        onBack: (redis) => log().info({ redis }, "Redis is back: limits are shared again"),
        onError(limit, message) {
          const text = `Redis doesn't count for the limit ${JSON.stringify(limit)}: ${message}`;
          if (errors.isNews(text)) log().warn({ limit }, text);
        },
      },
    });
  }

  /** For `ProxyMeans`. */
  readonly toLimiter: NonNullable<LimitMeans["toLimiter"]> = (settings, local) => {
    const { redis, name } = settings;
    if (redis === null) return local;
    const { shared, row } = this.#start;
    return this.#redis.limiterFor(
      settings,
      redis,
      local,
      new LimitCounts(countsOf(shared.limits[name]!), row),
    );
  };

  /** Kept when requests can be limited as they should be, or that is not to be waited for. */
  async begun(): Promise<void> {
    const { promise: isOver, resolve } = Promise.withResolvers<void>();
    // Nothing else may keep the process alive yet.
    const alarm = new Alarm(threadAlarms, resolve);
    alarm.set(threadAlarms.now() + BEGINNING);
    await Promise.race([isOver, this.#redis.begun]);
    alarm.clear();
  }

  close(): void {
    this.#redis.close();
  }
}
