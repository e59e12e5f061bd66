import type { Certificate } from "./certificate.ts";
import type { LoadGenerator } from "./load/load.ts";
import type { Pinning } from "./measure/pinning.ts";
import type { Origin } from "./origin/origin.ts";
import type { Progress } from "./report/progress.ts";

/** What was asked for on the command line. */
export interface Settings {
  readonly seconds: number;
  readonly rounds: number;
  readonly warmUpSeconds: number;
  readonly threads: number;
  /** Absent: wrk where it is installed. */
  readonly generator?: "wrk" | "own";
}

/** What all measurements of a run have in common. */
export interface Bench {
  readonly settings: Settings;
  readonly origin: Origin;
  /** Makes the load of HTTP/1; see `generatorFor` for the other kinds. */
  readonly generator: LoadGenerator;
  readonly certificate: Certificate;
  readonly pinning: Pinning;
  /** A scratch folder that goes away with the run. */
  readonly directory: string;
  readonly progress: Progress;
}
