/**
 * What the data plane counts, by its place in the shared layout. `*Active` and `*Open` ones are gauges. Numbers rather
 * than names, so that counting is one store: looking a name up seven times a request cost 0.1 µs.
 */
export const Counter = {
  connectionsAccepted: 0,
  connectionsRefused: 1,
  connectionsOpen: 2,
  requests: 3,
  requestsActive: 4,
  requestsRefused: 5,
  responses1xx: 6,
  responses2xx: 7,
  responses3xx: 8,
  responses4xx: 9,
  responses5xx: 10,
  requestBodyBytes: 11,
  responseBodyBytes: 12,
  tunnels: 13,
  tunnelsActive: 14,
  upstreamConnects: 15,
  upstreamConnectFailures: 16,
  upstreamReuses: 17,
  upstreamErrors: 18,
  retries: 19,
  downstreamErrors: 20,
  internalErrors: 21,
  timeouts: 22,
  workerCrashes: 23,
  hedges: 24,
  retryRefusals: 25,
  /** Copies of requests that another upstream has answered, and those that weren't sent or came to nothing. */
  copies: 26,
  copyFailures: 27,
  /** Of clients; their streams count as requests too. */
  http2Connections: 28,
  http2Streams: 29,
  /** Connections that were ended because the client did too much of what is allowed; of those, what it was. */
  http2Floods: 30,
  /** Streams that it reset, and streams that it made us reset. */
  http2ResetFloods: 31,
  http2OwnResetFloods: 32,
  http2HeaderFloods: 33,
  http2SettingsFloods: 34,
  http2PingFloods: 35,
  /** DATA without a byte, or with hardly any. */
  http2DataFloods: 36,
  http2WindowUpdateFloods: 37,
  /** Priorities and frames of unknown types. */
  http2IgnoredFloods: 38,
  /** Frames whose answers it didn't read. */
  http2UnreadFloods: 39,
  /** With servers: those that were done, of them those that took up an earlier session, and those that failed. */
  upstreamHandshakes: 40,
  upstreamHandshakesResumed: 41,
  upstreamHandshakeFailures: 42,
  /** With clients: those that were done, of them those that took up an earlier session, and those that failed. */
  handshakes: 43,
  handshakesResumed: 44,
  handshakeFailures: 45,
  /** Of the failed ones: what came was no hello, nobody serves its name, it took too long, too many waited already. */
  handshakeBadHellos: 46,
  handshakeUnknownNames: 47,
  handshakeTimeouts: 48,
  handshakesTooMany: 49,
  /** Connections that were passed on unopened by the name that they ask for. */
  tlsPassed: 50,
  /** Clients that spoke HTTP without TLS where TLS is expected. */
  tlsPlainHttp: 51,
  /** Requests that were lost because their server did too much of what HTTP/2 allows. */
  upstreamFloods: 52,
} as const;

export type CounterName = keyof typeof Counter;
export type Counter = (typeof Counter)[CounterName];

export const COUNTER_NAMES: readonly CounterName[] = Object.keys(Counter) as CounterName[];

const BYTES_PER_COUNTER = 8;
/** A block is a multiple of a cache line, so that two threads never write the same one. */
const BLOCK_COUNTERS: number = Math.ceil(COUNTER_NAMES.length / 8) * 8;

const GAUGES: readonly Counter[] = [Counter.connectionsOpen, Counter.requestsActive, Counter.tunnelsActive];

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

  add(counter: Counter, by: number = 1): void {
    this.#values[counter]! += by;
  }

  get(counter: Counter): number {
    return this.#values[counter]!;
  }

  /** Gauges of a thread that died count nothing any more. */
  clearGauges(): void {
    for (const gauge of GAUGES) this.#values[gauge] = 0;
  }
}

/** Shared memory for the counters of `threads` threads. */
export function allocateCounters(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.max(threads, 1) * BLOCK_COUNTERS * BYTES_PER_COUNTER);
}

/** The sum over all threads. */
export function sumCounters(memory: SharedArrayBuffer, threads: number): Record<CounterName, number> {
  const blocks = Array.from({ length: Math.max(threads, 1) }, (_, i) => new Counters(memory, i));
  const sums = COUNTER_NAMES.map((name) => [
    name,
    blocks.reduce((sum, block) => sum + block.get(Counter[name]), 0),
  ]);
  return Object.fromEntries(sums) as Record<CounterName, number>;
}
