import type { ConfigText } from "../../config/load.ts";
import type { ReloadStatus } from "./reloader.ts";
import type { ReloadPreview, ReloadReport } from "./report.ts";

/** What can be asked of a process that reloads. */
export interface ReloadControl {
  status(): Promise<ReloadStatus>;
  /** Runs what there is now to read. Rejects with what is wrong with it, having changed nothing. */
  reload(): Promise<ReloadReport>;
  /** Runs the last good one before this one again. Rejects as `reload` does, or with a `NothingEarlierError`. */
  rollback(): Promise<ReloadReport>;
  /**
   * What a reload would change. Rejects with what is wrong with what is to be read.
   * @param other in the place of what the process would read; null: that
   */
  preview(other: ConfigText | null): Promise<ReloadPreview>;
}
