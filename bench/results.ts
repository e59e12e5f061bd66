import { median } from "./measure/statistics.ts";
import type { Workload } from "./workloads.ts";

/** Everything that is measured; times in microseconds, memory in bytes. */
export type Metric =
  | "cpuMicrosPerRequest"
  | "requestsPerSecond"
  | "p50Micros"
  | "p99Micros"
  | "memoryBytes"
  | "bytesPerConnection"
  | "cpuMicrosPerGigabyte"
  | "bytesPerSecond";

/** One round of one peer under one workload. */
export interface Sample {
  readonly values: Partial<Record<Metric, number>>;
  /** Requests answered, or connections standing at the end. */
  readonly count: number;
  readonly errors: number;
}

/** What came out for one peer under one workload. */
export interface Row {
  readonly peer: string;
  readonly version: string;
  /** The median of the rounds. */
  readonly values: Partial<Record<Metric, number>>;
  /** The key metric as a multiple of that of each reference peer. */
  readonly ratios: Readonly<Record<string, number>>;
  /** The sum over all rounds. */
  readonly errors: number;
  /** Why there are no values. */
  readonly failure?: string;
  readonly rounds: readonly Sample[];
}

export interface WorkloadResult {
  readonly workload: string;
  readonly title: string;
  readonly kind: Workload["kind"];
  readonly references: readonly string[];
  /** By the key metric, the lowest first; failed ones last. */
  readonly rows: readonly Row[];
}

/** What was recorded of one peer, before it is compared with others. */
export interface Recording {
  readonly peer: string;
  readonly version: string;
  readonly rounds: readonly Sample[];
  readonly failure?: string;
}

/** The one that peers are sorted and compared by. */
const keyMetric: Readonly<Record<Workload["kind"], Metric>> = {
  load: "cpuMicrosPerRequest",
  idle: "bytesPerConnection",
  echo: "cpuMicrosPerRequest",
  bulk: "cpuMicrosPerGigabyte",
};

/** Takes medians, compares with the references and sorts. */
export function summarize(workload: Workload, recordings: readonly Recording[]): WorkloadResult {
  const { name, title, kind, references } = workload;
  const key = keyMetric[kind];
  const medians = new Map(recordings.map((recording) => [recording.peer, mediansOf(recording.rounds)]));
  const ratiosOf = (own: number | undefined): Record<string, number> => {
    const pairs = references.map((peer) => [
      peer,
      (own ?? Number.NaN) / (medians.get(peer)?.[key] ?? Number.NaN),
    ]);
    return Object.fromEntries(pairs.filter(([, ratio]) => Number.isFinite(ratio)));
  };
  const rows = recordings.map((recording): Row => {
    const values = medians.get(recording.peer) ?? {};
    return { ...recording, values, ratios: ratiosOf(values[key]), errors: errorsIn(recording.rounds) };
  });
  const order = (row: Row): number => row.values[key] ?? Number.MAX_VALUE;
  return { workload: name, title, kind, references, rows: rows.sort((a, b) => order(a) - order(b)) };
}

function mediansOf(rounds: readonly Sample[]): Partial<Record<Metric, number>> {
  const metrics = Object.keys(rounds[0]?.values ?? {}) as Metric[];
  return Object.fromEntries(
    metrics.map((metric) => [metric, median(rounds.map(({ values }) => values[metric] ?? Number.NaN))]),
  );
}

function errorsIn(rounds: readonly Sample[]): number {
  return rounds.reduce((sum, { errors }) => sum + errors, 0);
}

/** Whether a row is to be taken with care: something in it did not end as it should. */
export function isSuspect(row: Row): boolean {
  return row.errors > 0 || row.failure !== undefined;
}
