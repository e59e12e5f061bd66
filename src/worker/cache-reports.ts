import type { Logger } from "pino";
import type { RedisShareReport } from "../cache/stores/redis/redis-share.ts";
import { RepeatedErrors } from "../observe/repeated-errors.ts";

/** What is logged of a cache that goes on as well as it can. */
export const STORE_PROBLEM = "A cache can't keep or give what it should";

/** Tells the log of one thread what becomes of its caches. */
export class CacheReports {
  readonly #log: () => Logger;
  readonly #errors: RepeatedErrors;

  /** @param log the one of the moment */
  constructor(log: () => Logger) {
    this.#log = log;
    this.#errors = new RepeatedErrors((text, more) => log().warn({ more }, `${text} (${more} more)`));
  }

  /** What goes wrong with a store: the cache goes on as well as it can. */
  onProblem(cache: string, problem: string): void {
    this.#log().error({ cache, problem }, STORE_PROBLEM);
  }

  /** Of a Redis that comes and goes it is told once a minute, so that no log fills by it. */
  redisOf(cache: string): RedisShareReport {
    const shared = new Turns((text, redis, cause) => this.#warn(cache, redis, text, cause));
    const heard = new Turns((text, redis, cause) => this.#warn(cache, redis, text, cause));
    const info = (redis: string, text: string): void => this.#log().info({ cache, redis }, text);
    return {
      onAway: (redis, cause) =>
        shared.goAway("Redis is away: each machine has its cache for itself", redis, cause),
      onBack: (redis) => shared.comeBack(() => info(redis, "Redis is back: the cache is shared again")),
      onDeaf: (redis, cause) => heard.goAway("Redis doesn't tell what other machines purge", redis, cause),
      onHearing: (redis) => heard.comeBack(() => info(redis, "Redis tells again what other machines purge")),
      onError: (redis, message) => this.#warn(cache, redis, "Redis refuses what a cache asks for", message),
    };
  }

  #warn(cache: string, redis: string, text: string, cause: string): boolean {
    const isNews = this.#errors.isNews(`${text} (${cache}): ${cause}`);
    if (isNews) this.#log().warn({ cache, redis, cause }, text);
    return isNews;
  }
}

/** What goes away and comes back: of its return nobody is told who wasn't told that it had gone. */
class Turns {
  readonly #tell: (text: string, redis: string, cause: string) => boolean;
  #isTold = false;

  constructor(tell: (text: string, redis: string, cause: string) => boolean) {
    this.#tell = tell;
  }

  goAway(text: string, redis: string, cause: string): void {
    this.#isTold = this.#tell(text, redis, cause);
  }

  comeBack(tell: () => void): void {
    if (this.#isTold) tell();
    this.#isTold = false;
  }
}
