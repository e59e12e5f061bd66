import { randomBytes } from "node:crypto";
import { idleAlarms, ManualAlarmClock } from "../../src/base/alarms.ts";
import { seededRandom } from "../../src/base/random.ts";
import {
  REDIS_STORE_DEFAULTS,
  RedisStore,
  type RedisStoreMeans,
  type RedisStoreSettings,
} from "../../src/cache/stores/redis/redis-store.ts";
import { Standing, type StoreMetas } from "../../src/cache/stores/redis/shared-metas.ts";
import { RedisLink } from "../../src/net/redis/redis-link.ts";
import { TimelyLink } from "../../src/net/redis/timely-link.ts";

/** Of use for a minute, whatever it is. */
export const PLAIN_METAS: StoreMetas = {
  usefulFor: () => 60_000,
  numberOf: () => 0,
  identityOf: () => randomBytes(8),
  standingOf: () => Standing.Good,
  isNewer: () => false,
  here: (meta) => meta,
};

/** A machine's way to Redis, and what it is told of it. */
export class RedisMachine implements Disposable {
  /** `away`, `back`, or `error` with what Redis said. */
  readonly events: string[] = [];
  readonly raw: RedisLink;
  readonly link: TimelyLink;
  readonly clock: ManualAlarmClock = new ManualAlarmClock();
  onBack: () => void = () => undefined;

  /** @param timeout milliseconds; generous where it isn't what is tested */
  constructor(url: string, timeout: number = 5000) {
    this.raw = new RedisLink(url, {
      ...{ clock: idleAlarms, random: seededRandom("redis"), asBytes: true },
      onAway: () => this.events.push("away"),
      onBack: () => {
        this.events.push("back");
        this.onBack();
      },
    });
    this.link = new TimelyLink(this.raw, idleAlarms, timeout);
  }

  store(
    changes: Partial<RedisStoreSettings> = {},
    metas: StoreMetas = PLAIN_METAS,
    more: Partial<RedisStoreMeans> = {},
  ): RedisStore {
    const settings = { ...REDIS_STORE_DEFAULTS, prefix: "test:", ...changes };
    return new RedisStore(settings, {
      ...{ link: this.link, metas, clock: this.clock, onError: (text) => this.onError(text) },
      ...more,
    });
  }

  onError(text: string): void {
    this.events.push(`error ${text}`);
  }

  [Symbol.dispose](): void {
    this.link.close();
  }
}
