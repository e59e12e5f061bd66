import type { AlarmClock } from "../../../base/alarms.ts";
import { monotonicNow } from "../../../base/monotonic.ts";
import type { Random } from "../../../base/random.ts";
import { RedisLink } from "../../../net/redis/redis-link.ts";
import { withoutSecrets } from "../../../net/redis/redis-url.ts";
import { TimelyLink } from "../../../net/redis/timely-link.ts";
import type { CacheCounts } from "../../cache-counts.ts";
import type { CacheRedisSettings } from "../../cache-settings.ts";
import type { Invalidations } from "../../invalidations.ts";
import type { OtherMachines } from "../../other-machines.ts";
import type { Predictor } from "../../predictor.ts";
import type { PurgeList } from "../../purges/purge-list.ts";
import type { CacheStore } from "../../store.ts";
import { PurgeReceiver } from "./purge-receiver.ts";
import { PurgeSender } from "./purge-sender.ts";
import { REDIS_STORE_DEFAULTS, RedisStore } from "./redis-store.ts";
import { SharedMetas, USEFUL_DEFAULTS } from "./shared-metas.ts";
import { SharedStore } from "./shared-store.ts";

/** What happens to the Redis of a cache, which is called by its URL without a password. */
export interface RedisShareReport {
  onAway(redis: string, reason: string): void;
  onBack(redis: string): void;
  /** What other machines purge isn't heard, and why. */
  onDeaf(redis: string, reason: string): void;
  onHearing(redis: string): void;
  /** It answered, but with an error. Told each time. */
  onError(redis: string, message: string): void;
}

/** What a thread has of a cache besides. */
export interface RedisShareMeans {
  /** What this machine has for itself; who made it closes it. */
  readonly near: CacheStore;
  readonly purges: PurgeList;
  readonly invalidations: Invalidations;
  readonly predictor: Predictor;
  readonly counts: CacheCounts;
  /** This machine, by a name without spaces that no other one has. */
  readonly machine: string;
  readonly clock: AlarmClock;
  readonly random: Random;
  readonly report: RedisShareReport;
}

/** What a thread has of a cache that several machines share: the way to their Redis, the store, and who tells the others of purges. */
export class RedisShare {
  readonly settings: CacheRedisSettings;
  readonly store: SharedStore;
  readonly others: OtherMachines;
  readonly #name: string;
  readonly #prefix: string;
  readonly #means: RedisShareMeans;
  readonly #link: TimelyLink;
  readonly #sender: PurgeSender;
  /** Null: another thread hears. */
  #receiver: PurgeReceiver | null = null;

  /** @param cache by which all machines call it */
  constructor(cache: string, settings: CacheRedisSettings, means: RedisShareMeans) {
    const { near, purges, invalidations, predictor, counts, machine, clock, random, report } = means;
    this.settings = settings;
    this.#means = means;
    this.#name = withoutSecrets(settings.url);
    this.#prefix = `${settings.prefix}${cache}:`;
    const link = new RedisLink(settings.url, {
      ...{ clock, random, asBytes: true },
      onAway: (reason) => report.onAway(this.#name, reason),
      onBack: () => {
        report.onBack(this.#name);
        void this.#sender.send();
        void this.#receiver?.catchUp();
      },
    });
    this.#link = new TimelyLink(link, clock, settings.timeout);
    const onError = (message: string): void => report.onError(this.#name, message);
    const metas = new SharedMetas(purges, USEFUL_DEFAULTS, Date.now);
    const store = new RedisStore(
      { ...REDIS_STORE_DEFAULTS, prefix: this.#prefix, largest: settings.mostBodyBytes },
      {
        ...{ link: this.#link, clock, onError, counts, invalidations },
        metas,
        isPointless: (key) => predictor.isUncacheable(key, monotonicNow()),
      },
    );
    this.store = new SharedStore(near, store, metas, clock);
    this.#sender = new PurgeSender(this.#prefix, {
      ...{ link: this.#link, purges, clock, machine, onError },
      nameOf: (text) => store.nameOf(text),
      forget: (key) => this.store.forgetHere(key),
    });
    this.others = this.#sender;
  }

  /** The URL, without a password. */
  get name(): string {
    return this.#name;
  }

  get isAway(): boolean {
    return this.#link.isAway;
  }

  /**
   * Hears what other machines purge and change, for all threads of this one: one thread does.
   * @param onChange what is stored under that key has changed
   */
  receive(onChange: (key: string) => void): PurgeReceiver {
    const { clock, random, purges, machine, report } = this.#means;
    const receiver = new PurgeReceiver(this.settings.url, this.#prefix, {
      ...{ clock, random, purges, machine, onChange, link: this.#link },
      onAway: (reason) => report.onDeaf(this.#name, reason),
      onBack: () => report.onHearing(this.#name),
      onError: (message) => report.onError(this.#name, message),
    });
    this.#receiver = receiver;
    void receiver.begin();
    return receiver;
  }

  close(): void {
    this.#sender.close();
    void this.store.close();
  }
}
