import type { ConfigText } from "../config/load.ts";
import type { Scenario } from "../config/scenario.ts";
import type { AdminSettings, ProcessSettings } from "../config/snapshot.ts";
import type { RunSpec } from "../worker/run-spec.ts";

/** How a process takes another one's place, and leaves its own. */
export interface SuccessionSettings {
  /** True: it begins on the sockets of the process that listens at `socket`. */
  readonly takesOver: boolean;
  /** The path of a Unix socket; null: there is none. */
  readonly socket: string | null;
}

/** All that a process that serves goes by. */
export interface ServeSettings {
  readonly spec: RunSpec;
  /** Null: as many as there are processors. */
  readonly threads: number | null;
  /** Milliseconds that SIGTERM gives to requests under way. */
  readonly grace: number;
  readonly pidFile: string | null;
  readonly process: ProcessSettings;
  readonly json: boolean;
  /** Where the admin API is mounted; null for nowhere. */
  readonly admin: AdminSettings | null;
  /** What is played while it runs. */
  readonly scenario: Scenario | null;
  readonly succession: SuccessionSettings;
  /**
   * Reads anew what these were made of. Rejects with what is wrong. Null: there is nothing to be read.
   * @param other in the place of the configuration's file
   */
  readonly reread: ((other?: ConfigText) => Promise<ServeSettings>) | null;
  /** Files that were read for these settings; the configuration, if there is one, is the first. Absolute. */
  readonly files: readonly string[];
  /** True: it reloads whenever one of its files changes. */
  readonly isWatched: boolean;
}
