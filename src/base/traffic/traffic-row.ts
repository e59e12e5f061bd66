import { LogBuckets } from "./log-buckets.ts";

/**
 * What is counted in a row, by its place: what every request writes stands in one cache line. `*Open` ones are gauges. Bytes
 * are those of bodies where there is HTTP.
 */
export const TrafficCount = {
  requests: 0,
  bytesIn: 1,
  bytesOut: 2,
  requestsOpen: 3,
  /** Milliseconds, of all that stand in the histogram. */
  latencySum: 4,
  latencyMax: 5,
  /** Requests that were answered with 5xx or not at all, but for those whose clients left; connections that no server took. */
  failed: 6,
  /** Requests whose clients left before they had their answers. */
  aborted: 7,
  retries: 8,
  connections: 9,
  connectionsOpen: 10,
  connectionsRefused: 11,
} as const;

export type TrafficCountName = keyof typeof TrafficCount;
export type TrafficCount = (typeof TrafficCount)[TrafficCountName];

export const TRAFFIC_COUNTS: readonly TrafficCountName[] = Object.keys(TrafficCount) as TrafficCountName[];

const FIRST_STATUS = 100;
const LAST_STATUS = 599;

/** Where the parts of a row begin: numbers, one for each status, the histogram. */
export const STATUSES_AT = 16;
/** The statuses, and one place for what is none of them. */
export const STATUS_PLACES: number = LAST_STATUS - FIRST_STATUS + 2;
export const HISTOGRAM_AT = 520;

/** Microseconds; at most 1.6 % beside the truth. */
export const LATENCY_BUCKETS: LogBuckets = new LogBuckets(5);

/** 64-bit floats of a row: a multiple of a cache line. */
export const ROW_NUMBERS: number = HISTOGRAM_AT + LATENCY_BUCKETS.count;

const MOST_MICROSECONDS = 2 ** 32 - 1;

/** Milliseconds as whole microseconds that have a bucket. */
export function toMicroseconds(milliseconds: number): number {
  const microseconds = milliseconds * 1000 + 0.5;
  if (microseconds < 0) return 0;
  return microseconds < MOST_MICROSECONDS ? microseconds >>> 0 : MOST_MICROSECONDS;
}

/** The status at a place; 0 for those that are none. */
export function statusAt(place: number): number {
  return place === STATUS_PLACES - 1 ? 0 : FIRST_STATUS + place;
}

function placeOf(status: number): number {
  return status >= FIRST_STATUS && status <= LAST_STATUS ? status - FIRST_STATUS : STATUS_PLACES - 1;
}

/** How a request ended. Made once, and filled anew for each. */
export interface RequestEnd {
  bytesIn: number;
  bytesOut: number;
  /** 0: there was no response. */
  status: number;
  failed: boolean;
  aborted: boolean;
  retries: number;
}

/**
 * What one thread counts of a place that traffic passes. Only that thread writes it, so nothing here is atomic and every
 * count is exact; whoever reads sees the values of a moment ago.
 */
export class TrafficRow {
  readonly #numbers: Float64Array;
  #at: number;

  /**
   * @param numbers the same view for all rows, for each one more is one more thing that a request reads
   * @param at where this row begins
   */
  constructor(numbers: Float64Array, at: number) {
    this.#numbers = numbers;
    this.#at = at;
  }

  /** @internal another place gets the memory: what is counted from now on is counted where another row begins */
  move(at: number): void {
    this.#at = at;
  }

  add(count: TrafficCount, by: number = 1): void {
    this.#numbers[this.#at + count]! += by;
  }

  addBytes(bytesIn: number, bytesOut: number): void {
    const numbers = this.#numbers;
    const at = this.#at;
    numbers[at + TrafficCount.bytesIn]! += bytesIn;
    numbers[at + TrafficCount.bytesOut]! += bytesOut;
  }

  /** A request is over, or an attempt. */
  addRequest({ bytesIn, bytesOut, status, failed, aborted, retries }: RequestEnd): void {
    const numbers = this.#numbers;
    const at = this.#at;
    numbers[at + TrafficCount.requests]! += 1;
    if (bytesIn !== 0) numbers[at + TrafficCount.bytesIn]! += bytesIn;
    numbers[at + TrafficCount.bytesOut]! += bytesOut;
    if (status !== 0) numbers[at + STATUSES_AT + placeOf(status)]! += 1;
    if (failed) numbers[at + TrafficCount.failed]! += 1;
    if (aborted) numbers[at + TrafficCount.aborted]! += 1;
    if (retries !== 0) numbers[at + TrafficCount.retries]! += retries;
  }

  /** @param microseconds the same as `toMicroseconds` makes of them */
  addLatency(milliseconds: number, microseconds: number = toMicroseconds(milliseconds)): void {
    const numbers = this.#numbers;
    const at = this.#at;
    numbers[at + HISTOGRAM_AT + LATENCY_BUCKETS.indexOf(microseconds)]! += 1;
    numbers[at + TrafficCount.latencySum]! += milliseconds;
    const maxAt = at + TrafficCount.latencyMax;
    if (milliseconds > numbers[maxAt]!) numbers[maxAt] = milliseconds;
  }
}

/** Adds what one row has to another. */
export function addRow(into: Float64Array, row: Float64Array): void {
  // The longest of both is the longest; all else is added up.
  const longest = Math.max(into[TrafficCount.latencyMax]!, row[TrafficCount.latencyMax]!);
  for (let i = 0; i < into.length; i++) into[i]! += row[i]!;
  into[TrafficCount.latencyMax] = longest;
}
