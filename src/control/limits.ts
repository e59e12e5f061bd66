import type { Snapshot } from "../config/snapshot.ts";
import type { LimitSettings } from "../filters/settings.ts";
import type { LimitMemories } from "../limits/create-limiter.ts";
import { type LimitCountName, LimitCounts } from "../limits/limit-counts.ts";
import { countsOf } from "../limits/limit-memory.ts";
import { limitsOf } from "../worker/shared-memory.ts";

/** A limit as people and programs that ask see it. Plain data. */
export interface LimitStatus
  extends Pick<LimitSettings, "name" | "algorithm" | "limit" | "window" | "burst" | "shadow"> {
  /** Whether its counts stand in Redis. */
  readonly isRemote: boolean;
  /** Requests since the process began, over all threads. */
  readonly counts: Readonly<Record<LimitCountName, number>>;
}

/** The limits of a running process. */
export interface Limits {
  /** In the order of the configuration. */
  list(): LimitStatus[];
}

/** Reads the limits of a configuration from the memory that all threads count in. */
export class SharedLimits implements Limits {
  #limits: readonly { readonly settings: LimitSettings; readonly counts: LimitCounts }[] = [];

  /** @param snapshot null: there are none */
  constructor(snapshot: Snapshot | null, memories: LimitMemories) {
    this.replaceBy(snapshot, memories);
  }

  /** These are the limits from now on. */
  replaceBy(snapshot: Snapshot | null, memories: LimitMemories): void {
    const byName = new Map(limitsOf(snapshot).map((settings) => [settings.name, settings]));
    this.#limits = [...byName.values()].map((settings) => {
      return { settings, counts: new LimitCounts(countsOf(memories[settings.name]!), 0) };
    });
  }

  list(): LimitStatus[] {
    return this.#limits.map(({ settings, counts }) => {
      const { name, algorithm, limit, window, burst, shadow, redis } = settings;
      return {
        name,
        algorithm,
        limit,
        window,
        burst,
        shadow,
        isRemote: redis !== null,
        counts: counts.totals,
      };
    });
  }
}
