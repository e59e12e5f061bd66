import {
  allocateCaches,
  type CacheMemories,
  forgetThread as forgetInCaches,
  nextCaches,
} from "../cache/cache-memory.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { allocateFaultCounts, type FaultMemories, nextFaultCounts } from "../filters/faults/fault-counts.ts";
import type { LimitSettings, UpstreamSettings } from "../filters/settings.ts";
import {
  allocateLimitMemory,
  forgetThread,
  type LimitMemories,
  nextLimitMemory,
} from "../limits/create-limiter.ts";
import { allocateGroupMemory, GroupMemory, slotsIn } from "../upstream/group-memory.ts";
import { slotsFor } from "../upstream/group-slots.ts";
import { type RunSpec, routedSnapshot } from "./run-spec.ts";

/**
 * What all threads of a data plane know together, beside counters: allocated once, whatever becomes of threads. Plain data.
 */
export interface SharedMemory {
  /** Threads that send requests, at least 1. */
  readonly threads: number;
  /**
   * Threads that may count here apart from one another, those included that only finish what they have: more than there are
   * `threads`. Each is told a number below it as its row, which nobody else has as long as it runs.
   */
  readonly rows: number;
  /** What the requests of faults on routes are counted in; null without a configuration. */
  readonly faultCounts: FaultMemories | null;
  /** What is known of groups of servers, by the names of their upstreams. */
  readonly groups: ReadonlyMap<string, SharedArrayBuffer>;
  /** What limits count in, by their names. */
  readonly limits: LimitMemories;
  /** What caches are kept in, by their names. */
  readonly caches: CacheMemories;
}

/** Generations of threads that there is room for at once, and the least rows: they cost next to nothing while nobody uses them. */
const GENERATIONS = 8;
const LEAST_ROWS = 32;
/** Slots of a group, so that one that grows keeps its memory. */
const LEAST_SLOTS = 16;

/** @param threads those that send requests, at least 1 */
export function allocateSharedMemory(spec: RunSpec, threads: number): SharedMemory {
  const snapshot = routedSnapshot(spec);
  const rows = Math.max(threads * GENERATIONS, LEAST_ROWS);
  return {
    threads,
    rows,
    faultCounts: spec.snapshot === null ? null : allocateFaultCounts(spec.snapshot),
    groups: new Map(
      (snapshot?.upstreams ?? []).map((upstream) => {
        return [upstream.name, allocateGroup(upstream, { rows }).buffer];
      }),
    ),
    limits: allocateLimitMemory(limitsOf(snapshot), rows),
    caches: allocateCaches(snapshot?.caches ?? [], rows),
  };
}

/** Memory for another configuration than before. */
export interface NextSharedMemory {
  readonly shared: SharedMemory;
  /** Limits that there were before and whose counts begin anew. */
  readonly limitsBegunAnew: readonly string[];
  /** Caches that there were before and that are empty again. */
  readonly cachesBegunAnew: readonly string[];
  /** Done as late as can be, before anybody counts there. */
  inheritSums(): void;
}

/**
 * The memory of what comes after `before`, in which all that can be is the same as there.
 * @param groups that of the upstreams, whose keepers know what stays
 */
export function nextSharedMemory(
  before: { readonly spec: RunSpec; readonly shared: SharedMemory },
  spec: RunSpec,
  threads: number,
  groups: SharedMemory["groups"],
): NextSharedMemory {
  const { rows, limits: memories, faultCounts } = before.shared;
  const [known, wanted] = [routedSnapshot(before.spec), routedSnapshot(spec)];
  const limits = nextLimitMemory(limitsOf(known), memories, limitsOf(wanted), rows);
  const caches = nextCaches(known?.caches ?? [], before.shared.caches, wanted?.caches ?? [], rows);
  return {
    shared: {
      ...{ threads, rows, groups, limits: limits.memories, caches: caches.memories },
      faultCounts: nextFaults(before.spec.snapshot, faultCounts, spec.snapshot),
    },
    limitsBegunAnew: limits.begunAnew,
    cachesBegunAnew: caches.begunAnew,
    inheritSums: () => limits.inheritSums(),
  };
}

function nextFaults(
  before: Snapshot | null,
  memories: FaultMemories | null,
  after: Snapshot | null,
): FaultMemories | null {
  if (after === null) return null;
  return before === null || memories === null
    ? allocateFaultCounts(after)
    : nextFaultCounts(before, memories, after);
}

/** Fresh memory for a group, as `allocateSharedMemory` gives it. */
export function allocateGroup(upstream: UpstreamSettings, { rows }: Pick<SharedMemory, "rows">): GroupMemory {
  const slots = Math.max(slotsFor(upstream), LEAST_SLOTS);
  return new GroupMemory(allocateGroupMemory(slots, rows), slots, rows, 0);
}

/** The limits of all routes, as often as there are routes that name them. */
export function limitsOf(snapshot: Snapshot | null): LimitSettings[] {
  return (snapshot?.listeners ?? []).flatMap(({ routes }) => routes).flatMap(({ limits }) => limits);
}

/**
 * A group's memory for one thread.
 * @param row whose requests are counted; any where none are
 */
export function openGroupMemory(
  upstream: UpstreamSettings,
  { groups, rows }: SharedMemory,
  row: number = 0,
): GroupMemory {
  const buffer = groups.get(upstream.name);
  if (buffer === undefined) throw new RangeError(`${upstream.name} has no memory`);
  return new GroupMemory(buffer, slotsIn(buffer, rows), rows, row);
}

/** A thread is gone: what it had under way is over. To be called before its row is given to another. */
export function takeBackFrom(row: number, spec: RunSpec, shared: SharedMemory): void {
  const snapshot = routedSnapshot(spec);
  for (const upstream of snapshot?.upstreams ?? []) openGroupMemory(upstream, shared).forgetThread(row);
  forgetThread(limitsOf(snapshot), shared.limits, row);
  forgetInCaches(snapshot?.caches ?? [], shared.caches, row, shared.rows);
}
