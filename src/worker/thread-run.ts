import type { Standing } from "./orders.ts";
import type { RunSpec } from "./run-spec.ts";
import type { SharedMemory } from "./shared-memory.ts";

/** What one thread runs, be it from its start or later. */
export interface ThreadRun {
  readonly spec: RunSpec;
  /** Which thread it is, from 0: of those that run the same code. */
  readonly thread: number;
  /** What it counts in. */
  readonly row: number;
  readonly shared: SharedMemory;
  /** What was ordered before. */
  readonly standing: Standing;
}
