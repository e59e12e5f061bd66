export const LIMIT_ALGORITHMS = ["fixed_window", "sliding_window", "token_bucket", "concurrency"] as const;

export type LimitAlgorithm = (typeof LIMIT_ALGORITHMS)[number];

/** What a limiter goes by. */
export interface LimiterSettings {
  readonly algorithm: LimitAlgorithm;
  /** Requests within a window, or at once. For buckets: what flows in within a window. */
  readonly limit: number;
  /** Milliseconds. Nothing to `concurrency`. */
  readonly window: number;
  /** What a bucket holds. Nothing to the others. */
  readonly burst: number;
  /** Keys that are told apart at once; the one not seen for longest makes room. */
  readonly mostKeys: number;
}

/** @throws RangeError when a limit can't be kept with these */
export function checkLimiterSettings({ algorithm, limit, window, burst, mostKeys }: LimiterSettings): void {
  if (!LIMIT_ALGORITHMS.includes(algorithm))
    throw new RangeError(`There is no algorithm ${algorithm}: there are ${LIMIT_ALGORITHMS.join(", ")}`);
  checkCount("limit", limit);
  checkCount("mostKeys", mostKeys);
  if (algorithm === "token_bucket") checkCount("burst", burst);
  if (algorithm !== "concurrency" && !(window > 0 && window < Number.POSITIVE_INFINITY))
    throw new RangeError(`A limit's window is a number of milliseconds above 0, and not ${window}`);
}

function checkCount(name: string, value: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= 0x7fff_ffff) return;
  throw new RangeError(`A limit's ${name} is a whole number from 1 to 2147483647, and not ${value}`);
}
