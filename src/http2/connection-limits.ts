import type { FloodRules } from "./flood-limits.ts";
import type { FrameLimits } from "./frame-reader.ts";
import type { LocalSettings } from "./settings.ts";

/** What a connection of either side goes by. */
export interface ConnectionLimits {
  readonly local: LocalSettings;
  readonly frames: FrameLimits;
  readonly floods: FloodRules;
  /** Bytes that the connection's window begins with. */
  readonly connectionWindow: number;
  /** Bytes that the connection's window may grow to, and that of one stream. */
  readonly largestConnectionWindow: number;
  readonly largestStreamWindow: number;
  /** Bytes that the windows of all streams together may grow by. */
  readonly windowBudget: number;
}
