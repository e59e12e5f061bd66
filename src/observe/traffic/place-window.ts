import { HISTOGRAM_AT, LATENCY_BUCKETS, TrafficCount } from "../../base/traffic/traffic-row.ts";
import { latencyReport } from "./latency-report.ts";
import { RATES, type RateName, type WindowReport } from "./report.ts";

/** Seconds that are remembered. */
export const SECONDS = 60;

/** What fell into a bucket within a second: the bucket's number and how many, one after the other. */
type Fallen = readonly number[];

/** The counts of a place as they stood at a moment. */
interface Sample {
  /** Milliseconds. */
  readonly time: number;
  /** In the order of `RATES`, and then the sum of all latencies. */
  readonly counts: readonly number[];
  /** Since the sample before. */
  readonly fallen: Fallen;
}

const NOTHING: Fallen = [];
const LATENCY_SUM = RATES.length;

/** What a place has counted in each of the last seconds. */
export class PlaceWindow {
  /** Oldest first: one more than there are seconds between them. */
  readonly #samples: Sample[] = [];
  /** The histogram at the last sample; null before anything was measured. */
  #histogram: Float64Array | null = null;

  /** Takes a row as it is now; to be called once a second. */
  take(time: number, row: Float64Array): void {
    const counts = [...RATES.map((name) => row[TrafficCount[name]]!), row[TrafficCount.latencySum]!];
    const last = this.#samples.at(-1);
    const isSame = last?.counts.every((count, i) => count === counts[i]) === true;
    const fallen = isSame ? NOTHING : this.#fall(row);
    this.#samples.push({ time, counts: isSame ? last.counts : counts, fallen });
    if (this.#samples.length > SECONDS + 1) this.#samples.shift();
  }

  /** Most buckets stay empty in a second: only the others are remembered. */
  #fall(row: Float64Array): Fallen {
    const fallen: number[] = [];
    const before = this.#histogram;
    const now = row.slice(HISTOGRAM_AT, HISTOGRAM_AT + LATENCY_BUCKETS.count);
    for (let i = 0; i < now.length; i++) {
      const more = now[i]! - (before?.[i] ?? 0);
      if (more > 0) fallen.push(i, more);
    }
    this.#histogram = now;
    // What was there when this began isn't of the last second.
    return this.#samples.length === 0 ? NOTHING : fallen;
  }

  /** Of the last seconds, as many as there are at most. */
  report(seconds: number): WindowReport {
    const { length } = this.#samples;
    const first = this.#samples[Math.max(length - 1 - seconds, 0)];
    const last = this.#samples.at(-1);
    const elapsed = first === undefined || last === undefined ? 0 : (last.time - first.time) / 1000;
    const difference = (i: number): number =>
      elapsed === 0 ? 0 : Math.max(last!.counts[i]! - first!.counts[i]!, 0);
    const rates = RATES.map((name, i) => [name, elapsed === 0 ? 0 : difference(i) / elapsed]);
    const { histogram, highest } = this.#fallen(Math.max(length - seconds, 1));
    return {
      seconds: elapsed,
      rates: Object.fromEntries(rates) as Record<RateName, number>,
      latency: latencyReport(LATENCY_BUCKETS, histogram, { sum: difference(LATENCY_SUM), max: highest }),
    };
  }

  /** All that fell since a sample, and about the longest of it, in milliseconds. */
  #fallen(from: number): { readonly histogram: Float64Array; readonly highest: number } {
    const histogram = new Float64Array(LATENCY_BUCKETS.count);
    let highest = 0;
    for (const { fallen } of this.#samples.slice(from)) {
      for (let i = 0; i < fallen.length; i += 2) {
        histogram[fallen[i]!]! += fallen[i + 1]!;
        highest = Math.max(highest, LATENCY_BUCKETS.middle(fallen[i]!) / 1000);
      }
    }
    return { histogram, highest };
  }

  /** How much of it there was in each second, oldest first. */
  history(name: RateName): number[] {
    const at = RATES.indexOf(name);
    return this.#samples.slice(1).map(({ time, counts }, i) => {
      const before = this.#samples[i]!;
      const elapsed = (time - before.time) / 1000;
      return elapsed <= 0 ? 0 : Math.max(counts[at]! - before.counts[at]!, 0) / elapsed;
    });
  }
}
