import { monotonicNow } from "../../base/monotonic.ts";
import { Estimator, type EstimatorOptions } from "./estimator.ts";

export interface RateOptions extends EstimatorOptions {
  /** Milliseconds of the intervals that are counted apart. Default 1000. */
  readonly interval?: number;
  /** Milliseconds of a clock that never goes back. Default: that of the machine. */
  readonly now?: () => number;
}

/** What is known of a key's events, to work out a rate by. */
export interface RateSample {
  /** Events in the interval before this one. */
  readonly previous: number;
  /** Events in this interval so far. */
  readonly current: number;
  /** Milliseconds of an interval. */
  readonly interval: number;
  /** How much of this interval is over, 0 to 1. */
  readonly elapsed: number;
}

/**
 * Estimates how often something happens, for any number of keys in a table of fixed size: two estimators that take turns, one for
 * this interval and one for the last. It may take a key for a busier one, never for a less busy one.
 */
export class Rate {
  readonly #interval: number;
  readonly #now: () => number;
  readonly #start: number;
  readonly #slots: readonly [Estimator, Estimator];
  /** The interval that is being counted. */
  #turn = 0;

  /** @throws RangeError when the interval is none, or the estimators can't be made */
  constructor({ interval = 1000, now = monotonicNow, ...options }: RateOptions = {}) {
    if (!(interval > 0))
      throw new RangeError(`An interval is a number of milliseconds above 0, and not ${interval}`);
    this.#interval = interval;
    this.#now = now;
    this.#start = now();
    this.#slots = [new Estimator(options), new Estimator(options)];
  }

  /**
   * Counts events of a key.
   * @returns the estimate of those within this interval
   */
  observe(key: string, events: number = 1): number {
    this.#turnOver();
    return this.#slot(0).add(key, events);
  }

  /** Events of a key a second, in the last whole interval. */
  rate(key: string): number {
    this.#turnOver();
    return (this.#slot(1).get(key) * 1000) / this.#interval;
  }

  /**
   * The rate of a key as a function works it out.
   * @param estimate default: of the last interval what a window that ends now still covers, and all of this one, a second
   */
  rateWith(key: string, estimate: (sample: RateSample) => number = proportional): number {
    const elapsed = this.#turnOver();
    const [current, previous] = [this.#slot(0).get(key), this.#slot(1).get(key)];
    return estimate({ previous, current, interval: this.#interval, elapsed });
  }

  /** The estimator of so many intervals ago, 0 or 1. */
  #slot(ago: number): Estimator {
    return this.#slots[(this.#turn + ago) % 2]!;
  }

  /** Begins the interval that it is time for; how much of it is over. */
  #turnOver(): number {
    const intervals = (this.#now() - this.#start) / this.#interval;
    const turn = Math.floor(intervals);
    const gone = turn - this.#turn;
    if (gone > 0) {
      this.#turn = turn;
      this.#slot(0).reset();
      if (gone > 1) this.#slot(1).reset();
    }
    return intervals - turn;
  }
}

function proportional({ previous, current, interval, elapsed }: RateSample): number {
  return ((previous * (1 - elapsed) + current) * 1000) / interval;
}
