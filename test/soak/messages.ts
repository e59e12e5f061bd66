import type { Counts } from "./ledger.ts";
import type { Identity } from "./wires.ts";

/** What the origin has to do and has seen. */
export interface OriginCounts {
  connections: number;
  requests: number;
  /** Uploads that came whole, every byte compared. */
  uploads: number;
  uploadBytes: number;
  faults: number;
  idleCloses: number;
  /** Connections that stand now. */
  open: number;
  violations: number;
}

/** From a child process to the run. */
export type FromChild =
  | { readonly type: "listening"; readonly ports: readonly number[] }
  | { readonly type: "origin"; readonly counts: OriginCounts }
  | { readonly type: "client"; readonly counts: Counts; readonly open: number; readonly longestWait: number }
  | { readonly type: "violation"; readonly text: string }
  /** All requests were made and settled. */
  | { readonly type: "done" };

/** What a child process is to do, in JSON as its argument. */
export interface ClientTask {
  readonly port: number;
  readonly requests: number;
  readonly connections: number;
  readonly seed: number;
  readonly http2: boolean;
  readonly tls: Identity | null;
}

export interface OriginTask {
  readonly ports: number;
  readonly seed: number;
  readonly http2: boolean;
  readonly tls: Identity | null;
}

/** How often a child tells its counts, milliseconds. */
export const tellEvery = 1000;

export function tell(message: FromChild): void {
  process.send?.(message);
}

export function readTask<T>(): T {
  return JSON.parse(process.argv[2] ?? "{}") as T;
}
