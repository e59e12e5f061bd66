import { addRow, ROW_NUMBERS, TrafficCount, TrafficRow } from "../base/traffic/traffic-row.ts";
import { type PluginDirection, TO_UPSTREAM } from "./plugin.ts";

/** What is counted of a plugin by each thread, by its place in the shared layout. */
const Count = {
  connections: 0,
  connectionsOpen: 1,
  requests: 2,
  refusals: 3,
  calls: 4,
  errors: 5,
  timedCalls: 6,
  /** In and out towards servers, then in and out towards clients. */
  bytes: 8,
  restarts: 12,
} as const;

const BYTES_PER_COUNT = 8;
/** Counts are two cache lines, so that two threads never write the same one. */
const COUNTS = 16;
/** Behind them stands what is known of how long calls took. */
const ROW = COUNTS + ROW_NUMBERS;
/** Every so many calls one is timed: to look at the clock twice costs a third of what a call costs. */
const TIMED_SHARE = 8;

/** What a plugin has done, in all threads. Plain data. */
export interface PluginTotals {
  /** Connections of TCP, and requests of HTTP with what came back, whose bytes went through it; and those that still do. */
  readonly connections: number;
  readonly connectionsOpen: number;
  /** Heads of requests that it looked at; and those of them that it had answered in the server's place. */
  readonly requests: number;
  readonly refusals: number;
  readonly calls: number;
  /** Calls that failed: each has cost a connection. */
  readonly errors: number;
  /** Processes of it that ended by themselves: each has cost all connections that were in it. */
  readonly restarts: number;
  /** What came, and what it made of it, in the direction of servers and in that of clients. */
  readonly bytesInUp: number;
  readonly bytesOutUp: number;
  readonly bytesInDown: number;
  readonly bytesOutDown: number;
  /** Time spent in its calls: reckoned from every eighth of them. */
  readonly nanoseconds: number;
  /** A row of the traffic's, in which nothing but the latencies of every eighth call are. */
  readonly latencies: Float64Array;
}

/** One thread's counts of one plugin in shared memory; only that thread writes them. */
export class PluginCounts {
  readonly #values: Float64Array;
  readonly #latencies: TrafficRow;
  #untimed = 0;

  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#values = new Float64Array(memory, thread * ROW * BYTES_PER_COUNT, ROW);
    this.#latencies = new TrafficRow(this.#values, COUNTS);
    // What a thread had open that died is open no more.
    this.#values[Count.connectionsOpen] = 0;
  }

  /** For a single thread. */
  static local(): PluginCounts {
    return new PluginCounts(allocatePluginCounts(1), 0);
  }

  noteOpened(): void {
    this.#values[Count.connections]! += 1;
    this.#values[Count.connectionsOpen]! += 1;
  }

  noteClosed(): void {
    this.#values[Count.connectionsOpen]! -= 1;
  }

  noteRequest(isRefused: boolean): void {
    this.#values[Count.requests]! += 1;
    if (isRefused) this.#values[Count.refusals]! += 1;
  }

  noteError(): void {
    this.#values[Count.errors]! += 1;
  }

  noteRestart(): void {
    this.#values[Count.restarts]! += 1;
  }

  noteBytes(direction: PluginDirection, came: number, went: number): void {
    const at = Count.bytes + (direction === TO_UPSTREAM ? 0 : 2);
    this.#values[at]! += came;
    this.#values[at + 1]! += went;
  }

  /** Counts a call that begins; returns the time when it is to be timed, else 0. */
  beginCall(): number {
    this.#values[Count.calls]! += 1;
    if (this.#untimed > 0) {
      this.#untimed--;
      return 0;
    }
    this.#untimed = TIMED_SHARE - 1;
    return performance.now();
  }

  /** @param began what `beginCall` returned */
  endCall(began: number): void {
    if (began === 0) return;
    this.#values[Count.timedCalls]! += 1;
    this.#latencies.addLatency(performance.now() - began);
  }
}

/** Shared memory for what `threads` threads count of one plugin. */
export function allocatePluginCounts(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.max(threads, 1) * ROW * BYTES_PER_COUNT);
}

/** The sum over all threads. */
export function sumPluginCounts(memory: SharedArrayBuffer): PluginTotals {
  const values = new Float64Array(memory);
  const sum = (place: number): number => {
    let total = 0;
    for (let at = place; at < values.length; at += ROW) total += values[at]!;
    return total;
  };
  const latencies = new Float64Array(ROW_NUMBERS);
  for (let at = COUNTS; at < values.length; at += ROW)
    addRow(latencies, values.subarray(at, at + ROW_NUMBERS));
  const calls = sum(Count.calls);
  const timed = sum(Count.timedCalls);
  return {
    connections: sum(Count.connections),
    connectionsOpen: sum(Count.connectionsOpen),
    requests: sum(Count.requests),
    refusals: sum(Count.refusals),
    calls,
    errors: sum(Count.errors),
    restarts: sum(Count.restarts),
    bytesInUp: sum(Count.bytes),
    bytesOutUp: sum(Count.bytes + 1),
    bytesInDown: sum(Count.bytes + 2),
    bytesOutDown: sum(Count.bytes + 3),
    nanoseconds: timed === 0 ? 0 : Math.round((latencies[TrafficCount.latencySum]! / timed) * calls * 1e6),
    latencies,
  };
}
