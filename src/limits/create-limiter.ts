import { concurrency } from "./concurrency.ts";
import { fixedWindow } from "./fixed-window.ts";
import { allocateLimit, LimitMemory, threadsOf } from "./limit-memory.ts";
import { checkLimiterSettings, type LimitAlgorithm, type LimiterSettings } from "./limiter-settings.ts";
import type { LimiterKind, LocalLimiter } from "./local-limiter.ts";
import { slidingWindow } from "./sliding-window.ts";
import { tokenBucket } from "./token-bucket.ts";

const KINDS: Readonly<Record<LimitAlgorithm, LimiterKind>> = {
  fixed_window: fixedWindow,
  sliding_window: slidingWindow,
  token_bucket: tokenBucket,
  concurrency,
};

/** A limit that several may refer to. */
export interface NamedLimiterSettings extends LimiterSettings {
  readonly name: string;
  /** What requests are limited apart by; none: all together, under one key. */
  readonly key: readonly unknown[];
}

/** The memory of limits by their names. Can be posted to threads. */
export type LimitMemories = Readonly<Record<string, SharedArrayBuffer>>;

/**
 * Memory for limits, for all threads that keep them. Those of one name share it.
 * @throws RangeError when a limit can't be kept, or another one of its name is set differently
 */
export function allocateLimitMemory(
  settings: readonly NamedLimiterSettings[],
  threads: number,
): LimitMemories {
  const known = new Map<string, NamedLimiterSettings>();
  const memories = new Map<string, SharedArrayBuffer>();
  for (const limit of settings) {
    const namesake = known.get(limit.name);
    if (namesake === undefined) {
      known.set(limit.name, limit);
      memories.set(
        limit.name,
        allocateLimiterMemory(limit.key.length === 0 ? oneKey(limit) : limit, threads),
      );
    } else if (!isSame(limit, namesake))
      throw new RangeError(`There are two limits ${JSON.stringify(limit.name)} that differ`);
  }
  return Object.fromEntries(memories);
}

function oneKey(settings: LimiterSettings): LimiterSettings {
  return { ...settings, mostKeys: 1 };
}

function isSame(one: NamedLimiterSettings, other: NamedLimiterSettings): boolean {
  const numbers = (["algorithm", "limit", "window", "burst", "mostKeys"] as const).every(
    (name) => one[name] === other[name],
  );
  return numbers && JSON.stringify(one.key) === JSON.stringify(other.key);
}

/**
 * Memory for one limiter in `threads` threads.
 * @throws RangeError when it can't be made
 */
export function allocateLimiterMemory(settings: LimiterSettings, threads: number): SharedArrayBuffer {
  checkLimiterSettings(settings);
  return allocateLimit(settings.mostKeys, KINDS[settings.algorithm].shapeOf(settings, threads), threads);
}

/**
 * One thread's view of a limit.
 * @param memory what was allocated for the same settings
 * @param thread from 0
 */
export function createLimiter(
  settings: LimiterSettings,
  memory: SharedArrayBuffer,
  thread: number,
): LocalLimiter {
  const kind = KINDS[settings.algorithm];
  return kind.create(settings, new LimitMemory(memory, kind.shapeOf(settings, threadsOf(memory)), thread));
}

/** A thread died: what it had under way in these limits is over. To be called by another one, before it is replaced. */
export function forgetThread(
  settings: readonly NamedLimiterSettings[],
  memories: LimitMemories,
  thread: number,
): void {
  for (const limit of new Map(settings.map((one) => [one.name, one])).values()) {
    const memory = memories[limit.name]!;
    createLimiter(limit, memory, threadsOf(memory)).forgetThread?.(thread);
  }
}
