import { isSuspect, type Metric, type Row, type WorkloadResult } from "../results.ts";
import type { Cells } from "./table.ts";

interface Column {
  readonly heading: string;
  readonly metric: Metric;
  readonly format: (value: number) => string;
}

const decimals =
  (count: number) =>
  (value: number): string =>
    value.toFixed(count);
const whole = (value: number): string => Math.round(value).toLocaleString("en-US");
const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
const kibibytes = (bytes: number): string => (bytes / 1024).toFixed(2);
const millis = (micros: number): string => (micros / 1000).toFixed(2);

/** The key metric comes first: the ratios stand behind it. */
const columns: Readonly<Record<WorkloadResult["kind"], readonly [Column, ...Column[]]>> = {
  load: [
    { heading: "CPU µs/request", metric: "cpuMicrosPerRequest", format: decimals(1) },
    { heading: "requests/s", metric: "requestsPerSecond", format: whole },
    { heading: "p50 ms", metric: "p50Micros", format: millis },
    { heading: "p99 ms", metric: "p99Micros", format: millis },
    { heading: "MiB", metric: "memoryBytes", format: mebibytes },
  ],
  idle: [
    { heading: "KiB/connection", metric: "bytesPerConnection", format: kibibytes },
    { heading: "MiB in all", metric: "memoryBytes", format: mebibytes },
  ],
  echo: [
    { heading: "CPU µs/echo", metric: "cpuMicrosPerRequest", format: decimals(1) },
    { heading: "echoes/s", metric: "requestsPerSecond", format: whole },
    { heading: "p50 ms", metric: "p50Micros", format: millis },
    { heading: "p99 ms", metric: "p99Micros", format: millis },
    { heading: "MiB", metric: "memoryBytes", format: mebibytes },
  ],
  bulk: [
    { heading: "CPU ms/GB", metric: "cpuMicrosPerGigabyte", format: (micros) => whole(micros / 1000) },
    { heading: "MB/s", metric: "bytesPerSecond", format: (bytes) => whole(bytes / 1e6) },
    { heading: "MiB", metric: "memoryBytes", format: mebibytes },
  ],
};

/** The result of one workload as cells: peers down, metrics across; `!` marks what went wrong. */
export function resultCells({ kind, references, rows }: WorkloadResult): Cells {
  const [key, ...others] = columns[kind];
  const heading = [
    "peer",
    key.heading,
    ...references.map((peer) => `× ${peer}`),
    ...others.map((column) => column.heading),
    "errors",
  ];
  const cellsOf = (row: Row): string[] => [
    isSuspect(row) ? `! ${row.peer}` : row.peer,
    cell(row, key),
    ...references.map((peer) => row.ratios[peer]?.toFixed(2) ?? "-"),
    ...others.map((column) => cell(row, column)),
    row.failure === undefined ? whole(row.errors) : "failed",
  ];
  return [heading, ...rows.map(cellsOf)];
}

function cell(row: Row, { metric, format }: Column): string {
  const value = row.values[metric];
  return value === undefined ? "-" : format(value);
}

/** One line for each peer that could not be measured. */
export function failureLines({ rows }: WorkloadResult): string[] {
  return rows.flatMap(({ peer, failure }) => (failure === undefined ? [] : [`! ${peer}: ${failure}`]));
}
