import type { TopCountName } from "../../base/traffic/top-memory.ts";
import type { TrafficKind } from "../../base/traffic/traffic-memory.ts";
import type { TrafficCountName } from "../../base/traffic/traffic-row.ts";

/** How long something took, milliseconds. All but `mean` and `max` are the middles of buckets, at most 1.6 % beside the truth. */
export interface LatencyReport {
  /** How often it was measured. */
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** What is told of a window as numbers a second. */
export type RateName = Exclude<
  TrafficCountName,
  "connectionsOpen" | "requestsOpen" | "latencySum" | "latencyMax"
>;

export const RATES: readonly RateName[] = [
  "connections",
  "connectionsRefused",
  "requests",
  "bytesIn",
  "bytesOut",
  "failed",
  "aborted",
  "retries",
];

/** What passed lately. */
export interface WindowReport {
  /** Seconds that it is about: fewer than asked for when it hasn't been counted for so long. */
  readonly seconds: number;
  /** Each second, on average. */
  readonly rates: Readonly<Record<RateName, number>>;
  readonly latency: LatencyReport;
}

/** The windows that are told of, in seconds. */
export const WINDOWS: readonly number[] = [1, 10, 60];

/** What is told of a place beside what is counted of all of them: by the names that the API has for it. */
export type PlaceDetails = Readonly<Record<string, string | number>>;

/** A place that traffic passes. Plain data. */
export interface PlaceReport {
  readonly kind: TrafficKind | "total";
  readonly name: string;
  /** Of a route; "" for anything else. */
  readonly listener: string;
  /** Since the process began; gauges as they are now. */
  readonly counts: Readonly<Record<Exclude<TrafficCountName, "latencySum" | "latencyMax">, number>>;
  /** How often each status was answered; 0 stands for those outside of 100 to 599. */
  readonly statuses: ReadonlyMap<number, number>;
  readonly latency: LatencyReport;
  /** In the order of `WINDOWS`. */
  readonly windows: readonly WindowReport[];
  /** Requests a second in each of the last seconds, oldest first, at most 60; connections where there are no requests. */
  readonly history: readonly number[];
  readonly details: PlaceDetails;
}

/** All that is counted. Plain data. */
export interface TrafficReport {
  /** Milliseconds since 1970: when counting began, and now. */
  readonly since: number;
  readonly time: number;
  /** All listeners together. */
  readonly total: PlaceReport;
  readonly places: readonly PlaceReport[];
}

/** A client or a path that was met often. Plain data. */
export interface TopEntry {
  readonly key: string;
  /** True for the beginning of a key that was too long. */
  readonly isCut: boolean;
  /** Requests, and connections of TCP and UDP: at most so many, and at least so many. */
  readonly count: number;
  readonly atLeast: number;
  /** What is known of it since it was last taken up; `count` and `error` excepted. */
  readonly counts: Readonly<
    Record<Exclude<TopCountName, "count" | "error" | "latencySum" | "latencyMax">, number>
  >;
  /** At most 6.3 % beside the truth. */
  readonly latency: LatencyReport;
}

/** Who was met most often. Plain data. */
export interface TopReport {
  /** Of all, told of or not. */
  readonly total: number;
  /** Whoever isn't told of here was met at most so often. */
  readonly least: number;
  /** Those met most often first. */
  readonly entries: readonly TopEntry[];
}

/** What lists of those met most often are of. */
export type TopKind = "client" | "path";
