import { describeThrown } from "../../base/errors.ts";
import { RepeatedDiscovery } from "./repeated-discovery.ts";
import type { DiscoveryMeans } from "./repeater.ts";
import type { FoundServers } from "./server-news.ts";

/** Servers from records of the DNS. */
export interface FoundRecords extends FoundServers {
  /** How long that is good for, milliseconds. */
  readonly ttl: number;
}

/** Looks records up. What it says is wrong is tried again before the records' time has passed. */
export interface RecordFinder {
  /** For people: what is looked up. */
  readonly what: string;
  /** @throws Error when nothing can be found out now */
  find(signal: AbortSignal): Promise<FoundRecords>;
}

/** Bounds of how long records count, milliseconds. */
export interface RecordTimes {
  readonly shortest: number;
  readonly longest: number;
}

/** The longest pause before something that didn't work is tried again, unless `shortest` is longer. */
const LONGEST_RETRY = 30_000;

/**
 * Servers from the DNS: looked up again when the first of the records has become too old, or, if something was wrong,
 * after a pause that begins with the shortest one allowed and doubles each time.
 */
export class RecordDiscovery extends RepeatedDiscovery {
  readonly #finder: RecordFinder;
  readonly #times: RecordTimes;
  #failures = 0;

  constructor(finder: RecordFinder, times: RecordTimes, means: DiscoveryMeans) {
    super(finder.what, means);
    this.#finder = finder;
    this.#times = times;
  }

  protected async look(signal: AbortSignal): Promise<number> {
    const { shortest, longest } = this.#times;
    const ttl = await this.#find(signal);
    const untilOld = Math.min(Math.max(ttl, shortest), longest);
    if (this.#failures === 0) return untilOld;
    const untilRetry = Math.min(shortest * 2 ** (this.#failures - 1), LONGEST_RETRY);
    return Math.min(Math.max(untilRetry, shortest), untilOld);
  }

  async #find(signal: AbortSignal): Promise<number> {
    try {
      const found = await this.#finder.find(signal);
      this.news.found(found);
      this.#failures = found.problems.length === 0 && found.servers.length > 0 ? 0 : this.#failures + 1;
      return found.ttl;
    } catch (error) {
      this.news.failed(describeThrown(error));
      this.#failures++;
      return Number.POSITIVE_INFINITY;
    }
  }
}
