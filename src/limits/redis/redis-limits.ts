import type { AlarmClock } from "../../base/alarms.ts";
import type { Random } from "../../base/random.ts";
import { RedisLink } from "../../net/redis/redis-link.ts";
import { withoutSecrets } from "../../net/redis/redis-url.ts";
import type { LimitCounts } from "../limit-counts.ts";
import type { Limiter } from "../limiter.ts";
import type { LimiterSettings } from "../limiter-settings.ts";
import type { LocalLimiter } from "../local-limiter.ts";
import { RedisLimiter } from "./redis-limiter.ts";
import { createLimitScript, type RemoteAlgorithm } from "./scripts.ts";

/** Where the counts of a limit stand. */
export interface RedisPlace {
  /** `redis://`, `rediss://` or `redis+unix://`. */
  readonly url: string;
  /** What keys begin with. */
  readonly prefix: string;
  /** Milliseconds a request waits at most. */
  readonly timeout: number;
}

/** What machines that share a limit have to agree about. */
export interface RedisLimitSettings extends LimiterSettings {
  readonly name: string;
}

export interface RedisLimitsMeans {
  readonly clock: AlarmClock;
  readonly random: Random;
  /** What happened to Redis at `url`, which has no password in it any more. */
  readonly report: RedisReport;
}

interface RedisReport {
  onAway(url: string, reason: string): void;
  onBack(url: string): void;
  /** It answered, but with an error. Told each time. */
  onError(limit: string, message: string): void;
}

/** The limits of one thread whose counts stand in Redis: a connection to each, made when the first limit wants it. */
export class RedisLimits {
  readonly #means: RedisLimitsMeans;
  readonly #links = new Map<string, RedisLink>();
  readonly #limiters = new Map<string, RedisLimiter>();

  constructor(means: RedisLimitsMeans) {
    this.#means = means;
  }

  /**
   * The limiter of a limit; for the same name the same one.
   * @param local counts what Redis lets in, and decides while it is away
   * @param counts where the decisions that it had to make are counted
   * @throws RangeError for an algorithm that isn't to be had
   */
  limiterFor(
    settings: RedisLimitSettings,
    place: RedisPlace,
    local: LocalLimiter,
    counts: LimitCounts,
  ): Limiter {
    const known = this.#limiters.get(settings.name);
    if (known !== undefined) return known;
    const { name, limit } = settings;
    if (!isRemote(settings)) throw new RangeError("What is under way is counted in one process only");
    const limiter = new RedisLimiter({
      ...{ limit, local, counts, clock: this.#means.clock },
      timeout: place.timeout,
      script: createLimitScript(settings),
      prefix: `${place.prefix}${name}`,
      link: this.#linkTo(place),
      onError: (message) => this.#means.report.onError(name, message),
    });
    this.#limiters.set(name, limiter);
    return limiter;
  }

  /** Kept when it is known of each Redis whether it is there: until then requests wait, and then are decided here. */
  get begun(): Promise<unknown> {
    return Promise.all([...this.#links.values()].map(({ begun }) => begun));
  }

  /** Ends all connections. What is asked afterwards is decided here. */
  close(): void {
    for (const link of this.#links.values()) link.close();
  }

  /** Who waits longer than others doesn't go by their impatience. */
  #linkTo({ url, timeout }: RedisPlace): RedisLink {
    const id = `${timeout} ${url}`;
    const known = this.#links.get(id);
    if (known !== undefined) return known;
    const { clock, random, report } = this.#means;
    const name = withoutSecrets(url);
    const link = new RedisLink(url, {
      ...{ clock, random },
      onAway: (reason) => report.onAway(name, reason),
      onBack: () => report.onBack(name),
    });
    this.#links.set(id, link);
    return link;
  }
}

function isRemote(
  settings: RedisLimitSettings,
): settings is RedisLimitSettings & { algorithm: RemoteAlgorithm } {
  return settings.algorithm !== "concurrency";
}
