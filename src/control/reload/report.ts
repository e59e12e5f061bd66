import type { Change } from "./diff.ts";

/** What whoever reloads should know. */
export interface ReloadNote {
  /** What it is about, as a person would write it: `listeners[web].routes[2].upstream`; "" for all of it. */
  readonly path: string;
  readonly message: string;
}

/** What came of running something else. Plain data. */
export interface RunReport {
  /** `nothing`: there was nothing to change. */
  readonly kind: "nothing" | "swap" | "generation";
  readonly changes: readonly Change[];
  /** What lives on otherwise than one might think. */
  readonly notes: readonly ReloadNote[];
  /** What changed in the configuration and stays as it was until a restart or an upgrade. */
  readonly warnings: readonly ReloadNote[];
  /** Milliseconds that it took. */
  readonly took: number;
}

/** What came of a reload or a rollback. Plain data. */
export interface ReloadReport extends RunReport {
  /** Which one since the process began is run now, from 1: what it was started with. Who is rolled back to keeps its number. */
  readonly number: number;
}

/** What a reload would do. Plain data. */
export interface ReloadPreview {
  readonly kind: ReloadReport["kind"];
  readonly changes: readonly Change[];
  /** Files that a program or toxics were loaded from, and that hold something else by now. */
  readonly modules: readonly string[];
}
