/** What the data plane counts, in the order of the shared layout. `*Active` and `*Open` ones are gauges. */
export const COUNTER_NAMES = [
  "connectionsAccepted",
  "connectionsRefused",
  "connectionsOpen",
  "requests",
  "requestsActive",
  "requestsRefused",
  "responses1xx",
  "responses2xx",
  "responses3xx",
  "responses4xx",
  "responses5xx",
  "requestBodyBytes",
  "responseBodyBytes",
  "tunnels",
  "tunnelsActive",
  "upstreamConnects",
  "upstreamConnectFailures",
  "upstreamReuses",
  "upstreamErrors",
  "retries",
  "downstreamErrors",
  "internalErrors",
  "timeouts",
  "workerCrashes",
] as const;

export type CounterName = (typeof COUNTER_NAMES)[number];

const BYTES_PER_COUNTER = 8;
/** A block is a multiple of a cache line, so that two threads never write the same one. */
const BLOCK_COUNTERS: number = Math.ceil(COUNTER_NAMES.length / 8) * 8;

const GAUGES: ReadonlySet<CounterName> = new Set(["connectionsOpen", "requestsActive", "tunnelsActive"]);

const INDEX = Object.fromEntries(COUNTER_NAMES.map((name, i) => [name, i])) as Record<CounterName, number>;

/**
 * One thread's counters in shared memory. Only that thread writes them, so no atomic operation is needed on the hot
 * path: an aligned 64-bit float is written whole, holds integers up to 2^53, and a reader sees the value of a moment ago.
 */
export class Counters {
  readonly #values: Float64Array;

  constructor(memory: SharedArrayBuffer, block: number) {
    this.#values = new Float64Array(memory, block * BLOCK_COUNTERS * BYTES_PER_COUNTER, BLOCK_COUNTERS);
  }

  /** Counters for a single thread. */
  static local(): Counters {
    return new Counters(allocateCounters(1), 0);
  }

  add(name: CounterName, by: number = 1): void {
    this.#values[INDEX[name]]! += by;
  }

  get(name: CounterName): number {
    return this.#values[INDEX[name]]!;
  }

  /** Gauges of a thread that died count nothing any more. */
  clearGauges(): void {
    for (const name of GAUGES) this.#values[INDEX[name]] = 0;
  }
}

/** Shared memory for the counters of `threads` threads. */
export function allocateCounters(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.max(threads, 1) * BLOCK_COUNTERS * BYTES_PER_COUNTER);
}

/** The sum over all threads. */
export function sumCounters(memory: SharedArrayBuffer, threads: number): Record<CounterName, number> {
  const blocks = Array.from({ length: Math.max(threads, 1) }, (_, i) => new Counters(memory, i));
  const sums = COUNTER_NAMES.map((name) => [name, blocks.reduce((sum, block) => sum + block.get(name), 0)]);
  return Object.fromEntries(sums) as Record<CounterName, number>;
}
