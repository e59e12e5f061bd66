import type { LimitMemory, StateShape } from "./limit-memory.ts";
import type { Decision, Limiter } from "./limiter.ts";
import type { LimiterSettings } from "./limiter-settings.ts";

/** A limiter whose counts stand in the memory of this process: it always knows at once. */
export interface LocalLimiter extends Limiter {
  take(key: string, now: number): Decision;
  /** A thread died: what it had under way is over. */
  forgetThread?(thread: number): void;
}

/** A way of limiting. */
export interface LimiterKind {
  shapeOf(settings: LimiterSettings, threads: number): StateShape;
  /** Whether what was counted by some settings can be counted on by others, of the same algorithm and for as many keys. */
  canCountOn(before: LimiterSettings, after: LimiterSettings): boolean;
  /** @param memory of the shape that `shapeOf` tells for the same settings */
  create(settings: LimiterSettings, memory: LimitMemory): LocalLimiter;
}
