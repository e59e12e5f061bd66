// What a lane and the run say to each other.

/** How many tests there were, and what came of them: the names are those of node:test. */
export interface Counts {
  readonly tests: number;
  readonly suites: number;
  readonly passed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly skipped: number;
  readonly todo: number;
}

/** What came of the tests of one file. */
export interface FileReport {
  readonly ok: boolean;
  readonly counts: Counts;
  /** Every test with what came of it, for people. */
  readonly text: string;
  /** The failed tests with their errors, empty when there are none. */
  readonly failures: string;
  /** Milliseconds of processor time that it took, see processor-time.ts; 0 when its process is gone. */
  readonly processor: number;
}

export type Order =
  | { readonly kind: "run"; readonly file: string; readonly timeout: number }
  /** What keeps you from coming to an end? */
  | { readonly kind: "ask" };

export type News =
  | { readonly kind: "test"; readonly name: string }
  | { readonly kind: "open"; readonly resources: readonly string[] }
  /** `memory`: bytes that the process has from the system. */
  | { readonly kind: "done"; readonly report: FileReport; readonly memory: number };
