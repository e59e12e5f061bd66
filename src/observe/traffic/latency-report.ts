import { type BucketCounts, type LogBuckets, quantileOf, sumOf } from "../../base/traffic/log-buckets.ts";
import type { LatencyReport } from "./report.ts";

const MICROSECONDS = 1000;

/** @param sum of all milliseconds; @param max the longest, if it is known */
export function latencyReport(
  buckets: LogBuckets,
  counts: BucketCounts,
  { sum, max }: { readonly sum: number; readonly max: number },
): LatencyReport {
  const count = sumOf(counts);
  // A bucket's middle may lie beyond the longest that fell into it.
  const at = (share: number): number => Math.min(quantileOf(buckets, counts, share) / MICROSECONDS, max);
  return {
    count,
    mean: count === 0 ? 0 : sum / count,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    p999: at(0.999),
    max: count === 0 ? 0 : max,
  };
}
