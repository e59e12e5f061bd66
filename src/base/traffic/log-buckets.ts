/**
 * Buckets that get wider with what they count, so that the relative error stays the same (the idea of HdrHistogram):
 *
 *     0 1 2 … 31 | 32 33 … 63 | 64 66 … 126 | 128 132 … 252 | …        32 to each power of two, when `bits` is 5
 *
 * The middle of a bucket is at most half its width away from what fell into it: a relative error of 1 / 2^(bits + 1).
 */
export class LogBuckets {
  /** How many there are, for numbers below 2^32. */
  readonly count: number;
  readonly #bits: number;
  readonly #each: number;

  /** @param bits of a number that count: each power of two has 2^bits buckets */
  constructor(bits: number) {
    this.#bits = bits;
    this.#each = 2 ** bits;
    this.count = (33 - bits) * this.#each;
  }

  /** The bucket of a whole number from 0 to 2^32 - 1. */
  indexOf(value: number): number {
    const each = this.#each;
    if (value < each) return value;
    const shift = 31 - Math.clz32(value) - this.#bits;
    return shift * each + (value >>> shift);
  }

  /** The least number that falls into a bucket. */
  lowest(index: number): number {
    const each = this.#each;
    if (index < 2 * each) return index;
    const shift = Math.floor(index / each) - 1;
    return (each + (index % each)) * 2 ** shift;
  }

  /** What a number in a bucket is taken for. */
  middle(index: number): number {
    return (this.lowest(index) + this.lowest(index + 1) - 1) / 2;
  }
}

/** A list of counts, one for each bucket. */
export type BucketCounts = ArrayLike<number>;

/**
 * The number that a share of all numbers don't exceed, as the middle of its bucket; 0 when nothing was counted.
 * @param share 0 to 1: 0.5 is the median
 */
export function quantileOf(buckets: LogBuckets, counts: BucketCounts, share: number): number {
  let left = Math.max(Math.ceil(share * sumOf(counts)), 1);
  for (let i = 0; i < buckets.count; i++) {
    left -= counts[i] ?? 0;
    if (left <= 0) return buckets.middle(i);
  }
  return 0;
}

export function sumOf(counts: BucketCounts): number {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) sum += counts[i]!;
  return sum;
}
