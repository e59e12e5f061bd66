/** What the origin is told, and what it says. */
export type ToOrigin = "close idle connections";
export interface FromOrigin {
  readonly port: number;
}

/** What clients are to do. */
export interface LoadTask {
  /** Without TLS, and with it. */
  readonly ports: { readonly web: number; readonly secure: number };
  /** Requests a second, of all lanes together. */
  readonly rate: number;
}

/** Connections may end from now on: another process has taken over. Or: that's all. */
export type ToLoad = "upgraded" | "stop";

/** What clients have seen so far. */
export interface LoadCounts {
  /** Requests that were answered as they should, by lane. */
  readonly answered: Readonly<Record<string, number>>;
  readonly failed: number;
  /** The first of them, in words. */
  readonly failures: readonly string[];
  readonly connections: number;
  /** Messages that came back over WebSockets, each in its turn. */
  readonly messages: number;
  /** WebSockets that ended although no other process had come. */
  readonly cut: number;
  /** Those that ended after one had. */
  readonly movedOn: number;
  /** Milliseconds. */
  readonly longestWait: number;
}
