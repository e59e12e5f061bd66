import type { RunSpec } from "./run-spec.ts";

/** What a worker is started with. */
export interface WorkerStart {
  readonly spec: RunSpec;
  /** Which thread this is, from 0; also its block of counters. */
  readonly thread: number;
  readonly counters: SharedArrayBuffer;
}

/** From a worker to the main thread. */
export type FromWorker =
  /** Asks for a socket to listen on; `nth` tells listeners on the same address apart, from 0. */
  | { readonly type: "bind"; readonly request: number; readonly address: string; readonly nth: number }
  /** Listens on everything. */
  | { readonly type: "ready"; readonly addresses: readonly string[] }
  /** Couldn't start; the worker ends. */
  | { readonly type: "failed"; readonly message: string }
  /** Nothing is under way any more; the worker ends. */
  | { readonly type: "drained" };

/** From the main thread to a worker. */
export type ToWorker =
  | { readonly type: "bound"; readonly request: number; readonly fd: number; readonly boundTo: string }
  | { readonly type: "bindFailed"; readonly request: number; readonly message: string }
  | { readonly type: "drain"; readonly grace: number };
