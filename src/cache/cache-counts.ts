/** What became of the requests that looked in a cache, by the place in a thread's row. */
export const CacheCount = {
  /** Answered from it, fresh. */
  hits: 0,
  /** Answered from it with what was stale, as it may be. */
  stale: 1,
  /** Answered from it after the server had said that it holds. */
  revalidated: 2,
  /** Answered with what another request was fetching. */
  collapsed: 3,
  /** Fetched, and stored. */
  stored: 4,
  /** Fetched, and not to be stored. */
  passed: 5,
  /** Neither there nor to be fetched. */
  failed: 6,
} as const;

/** What became of questions to Redis, in the same row behind the others. */
export const RedisCount = {
  /** It had the response, or the list of fields that responses vary by. */
  found: 8,
  /** It hadn't. */
  missed: 9,
  /** It was away, or didn't answer in time, or with an error. */
  errors: 10,
} as const;

export type RedisCountName = keyof typeof RedisCount;

export type CacheCountName = keyof typeof CacheCount;
export type CacheCountCode = (typeof CacheCount)[CacheCountName];

/** Cache lines: no thread writes into another's. */
const COUNTS_PER_THREAD = 16;

export function allocateCacheCounts(rows: number): SharedArrayBuffer {
  return new SharedArrayBuffer(rows * COUNTS_PER_THREAD * Float64Array.BYTES_PER_ELEMENT);
}

/** What threads count of a cache. Each writes its own row only; a reader sees the values of a moment ago. */
export class CacheCounts {
  readonly #rows: Float64Array;
  readonly #row: number;

  /** @param buffer of `allocateCacheCounts` */
  constructor(buffer: SharedArrayBuffer, row: number) {
    this.#rows = new Float64Array(buffer);
    this.#row = row * COUNTS_PER_THREAD;
  }

  add(count: CacheCountCode | (typeof RedisCount)[RedisCountName]): void {
    this.#rows[this.#row + count]! += 1;
  }

  /** The sums over all threads. */
  get totals(): Record<CacheCountName, number> {
    return this.#sums(CacheCount);
  }

  get redis(): Record<RedisCountName, number> {
    return this.#sums(RedisCount);
  }

  #sums<N extends string>(places: Readonly<Record<N, number>>): Record<N, number> {
    const sums = Object.entries<number>(places).map(([name, count]) => [name, this.#total(count)]);
    return Object.fromEntries(sums) as Record<N, number>;
  }

  #total(count: number): number {
    let sum = 0;
    for (let at: number = count; at < this.#rows.length; at += COUNTS_PER_THREAD) sum += this.#rows[at]!;
    return sum;
  }
}
