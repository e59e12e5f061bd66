import { isDeepStrictEqual } from "node:util";
import { concurrency } from "./concurrency.ts";
import { fixedWindow } from "./fixed-window.ts";
import { LimitCounts } from "./limit-counts.ts";
import { allocateLimit, countsOf, LimitMemory, threadsOf } from "./limit-memory.ts";
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

/** Memory of limits that come after others. */
export interface NextLimitMemory {
  readonly memories: LimitMemories;
  /** The names of those whose counts couldn't be counted on, as they are. */
  readonly begunAnew: readonly string[];
  /** Has those go on with the sums of what became of requests: as late as can be, before anybody counts there. */
  inheritSums(): void;
}

/**
 * The memory of limits that come after others: one of the same name goes on counting wherever its algorithm can.
 * @throws RangeError as `allocateLimitMemory` does
 */
export function nextLimitMemory(
  before: readonly NamedLimiterSettings[],
  memories: LimitMemories,
  after: readonly NamedLimiterSettings[],
  threads: number,
): NextLimitMemory {
  const known = new Map(before.map((limit) => [limit.name, limit]));
  const fresh = allocateLimitMemory(after, threads);
  const kept = new Set<string>();
  for (const limit of after) {
    const namesake = known.get(limit.name);
    if (namesake !== undefined && canCountOn(namesake, limit)) kept.add(limit.name);
  }
  const begunAnew = Object.keys(fresh).filter((name) => known.has(name) && !kept.has(name));
  const next = Object.entries(fresh).map(([name, memory]) => [
    name,
    kept.has(name) ? memories[name]! : memory,
  ]);
  return {
    memories: Object.fromEntries(next),
    begunAnew,
    inheritSums() {
      for (const name of begunAnew)
        new LimitCounts(countsOf(fresh[name]!), 0).addAll(countsOf(memories[name]!));
    },
  };
}

function canCountOn(before: NamedLimiterSettings, after: NamedLimiterSettings): boolean {
  const { algorithm, mostKeys } = before;
  if (algorithm !== after.algorithm || mostKeys !== after.mostKeys) return false;
  return isDeepStrictEqual(before.key, after.key) && KINDS[algorithm].canCountOn(before, after);
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
  return KINDS[settings.algorithm].create(settings, viewOf(settings, memory, thread));
}

function viewOf(settings: LimiterSettings, memory: SharedArrayBuffer, thread: number): LimitMemory {
  return new LimitMemory(memory, KINDS[settings.algorithm].shapeOf(settings, threadsOf(memory)), thread);
}

/** A thread died: what it had under way in these limits is over. To be called by another one, before it is replaced. */
export function forgetThread(
  settings: readonly NamedLimiterSettings[],
  memories: LimitMemories,
  thread: number,
): void {
  for (const limit of new Map(settings.map((one) => [one.name, one])).values()) {
    const memory = memories[limit.name]!;
    const view = viewOf(limit, memory, threadsOf(memory));
    view.table.freeLocksOf(thread);
    KINDS[limit.algorithm].create(limit, view).forgetThread?.(thread);
  }
}
