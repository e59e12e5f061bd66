import type {
  LatencyReport,
  TopEntry as ReportedEntry,
  TopKind,
  TopReport,
} from "../../observe/traffic/report.ts";

/** What the admin API tells of the traffic, as far as it is shown. Latencies in milliseconds. */

export type Latency = Pick<LatencyReport, "count" | "p50" | "p90" | "p99" | "max">;

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
export interface TopEntry
  extends Pick<ReportedEntry, "key" | "isCut" | "count" | "atLeast">,
    Pick<ReportedEntry["counts"], "bytesIn" | "bytesOut" | "failed"> {
  readonly latency: Latency;
}

export interface TopList extends Omit<TopReport, "entries"> {
  readonly entries: readonly TopEntry[];
}

/** Where all of this is asked for. Rejects with what people are to be told. */
export interface StatsSource {
  /** Whom is asked. */
  readonly url: string;
  stats(): Promise<Stats>;
  top(by: TopKind, limit: number): Promise<TopList>;
}
