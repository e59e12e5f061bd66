/** What the admin API tells of the traffic, as far as it is shown. Latencies in milliseconds. */

export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

interface Rates {
  readonly connections: number;
  readonly requests: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly failed: number;
}

interface PlaceWindow {
  /** How long it is in truth. */
  readonly seconds: number;
  readonly rates: Rates;
  readonly latency: Latency;
}

/** The windows that there are. */
export const WINDOW_NAMES = ["10s", "60s", "1s"] as const;
export type WindowName = (typeof WINDOW_NAMES)[number];

/** A listener, route, upstream or plugin. */
export interface Place {
  /** Absent where it is all of them. */
  readonly name?: string | undefined;
  /** Of a route. */
  readonly listener?: string | undefined;
  readonly connections: number;
  readonly connections_open: number;
  readonly requests: number;
  readonly requests_open: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly failed: number;
  /** Of a plugin: how often its process ended by itself. */
  readonly restarts?: number | undefined;
  readonly windows: Readonly<Record<WindowName, PlaceWindow>>;
  /** In each of the last seconds, oldest first. */
  readonly history: readonly number[];
}

export interface Stats {
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly time: number;
  readonly total: Place;
  readonly listeners: readonly Place[];
  readonly routes: readonly Place[];
  readonly upstreams: readonly Place[];
  readonly plugins: readonly Place[];
}

/** A client or a path. */
export interface TopEntry {
  readonly key: string;
  readonly isCut: boolean;
  /** At most, and at least. */
  readonly count: number;
  readonly atLeast: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly failed: number;
  readonly latency: Latency;
}

export interface TopList {
  readonly total: number;
  /** Whoever isn't in it was met at most so often. */
  readonly least: number;
  readonly entries: readonly TopEntry[];
}

export type TopKind = "client" | "path";

/** Where all of this is asked for. Rejects with what people are to be told. */
export interface StatsSource {
  /** Whom is asked. */
  readonly url: string;
  stats(): Promise<Stats>;
  top(by: TopKind, limit: number): Promise<TopList>;
}
