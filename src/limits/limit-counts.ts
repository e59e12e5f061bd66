/** What became of the requests at a limit, by the place in a thread's row. */
export const LimitCount = {
  allowed: 0,
  refused: 1,
  /** Would have been refused, but for the limit's shadow mode. */
  shadowed: 2,
  /** Decisions that couldn't be had from where the counts stand, and were made here. */
  errors: 3,
} as const;

export type LimitCountName = keyof typeof LimitCount;
export type LimitCount = (typeof LimitCount)[LimitCountName];

/** A cache line: no thread writes into another's. */
export const COUNTS_PER_THREAD = 8;

/**
 * What threads count of a limit. Each writes its own row only, so that counting is a plain store; a reader sees the values of a
 * moment ago.
 */
export class LimitCounts {
  readonly #rows: Float64Array;
  readonly #row: number;

  /** @param rows what `countsOf` a limit's memory gives */
  constructor(rows: Float64Array, thread: number) {
    this.#rows = rows;
    this.#row = thread * COUNTS_PER_THREAD;
  }

  add(count: LimitCount): void {
    this.#rows[this.#row + count]! += 1;
  }

  /** Adds what other rows come to. */
  addAll(rows: Float64Array): void {
    const others = new LimitCounts(rows, 0).totals;
    for (const [name, count] of Object.entries(LimitCount))
      this.#rows[this.#row + count]! += others[name as LimitCountName];
  }

  /** The sums over all threads. */
  get totals(): Record<LimitCountName, number> {
    const total = (count: LimitCount): number => {
      let sum = 0;
      for (let at: number = count; at < this.#rows.length; at += COUNTS_PER_THREAD) sum += this.#rows[at]!;
      return sum;
    };
    return {
      allowed: total(LimitCount.allowed),
      refused: total(LimitCount.refused),
      shadowed: total(LimitCount.shadowed),
      errors: total(LimitCount.errors),
    };
  }
}
