import type { Direction } from "./toxic.ts";

/**
 * What a proxy does to all its connections, as one choice: the five things a TCP proxy on one's desk is asked for.
 * Toxics that were added one by one stay, whatever the mode.
 *
 * - `allow`: passes everything on.
 * - `deny`: refuses new connections; with `cut`, also ends those that run.
 * - `latency`: delays by `latency` ± `jitter` milliseconds.
 * - `timeout`: closes a connection on which a direction has brought nothing for `timeout` milliseconds.
 * - `throttle`: lets `rate` bytes a second pass, for each connection.
 */
export type Mode =
  | { readonly kind: "allow" }
  | { readonly kind: "deny"; readonly cut: boolean }
  | { readonly kind: "latency"; readonly latency: number; readonly jitter: number; readonly stream: Streams }
  | { readonly kind: "timeout"; readonly timeout: number; readonly stream: Streams }
  | { readonly kind: "throttle"; readonly rate: number; readonly stream: Streams };

/** The directions that a mode acts on. */
export type Streams = Direction | "both";

export const ALLOW: Mode = { kind: "allow" };
