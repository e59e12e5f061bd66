import type { Certificate } from "../certificate.ts";
import type { Child, LaunchOptions } from "../processes.ts";
import type { Protocol } from "../workloads.ts";

/** Whether a peer can run here, and if not, what to do about it. */
export type Availability =
  | { readonly ready: true; readonly version: string }
  | { readonly ready: false; readonly how: string };

/** Where and for whom a peer is started. */
export interface PeerContext {
  readonly port: number;
  readonly originPort: number;
  readonly threads: number;
  /** How many client connections there will be at once. */
  readonly connections: number;
  /** What the clients speak. */
  readonly protocol: Protocol;
  /** What to prove itself with, where the clients speak TLS. */
  readonly certificate: Certificate;
  /** A scratch folder of its own, for configuration and temporary files. */
  readonly directory: string;
  /** Starts a program on the proxy's processors. */
  launch(command: readonly string[], options?: Pick<LaunchOptions, "env">): Child;
}

/**
 * A proxy that can be measured: a reverse proxy to one origin, with keep-alive on both sides and
 * no access log, otherwise as it comes.
 */
export interface Peer {
  readonly name: string;
  /** One line on how it is set up. */
  readonly about: string;
  /** Takes part in these workloads and no others. */
  readonly onlyIn?: readonly string[];
  /** What clients may speak to it; HTTP/1 without TLS when absent. */
  readonly speaks?: readonly Protocol[];
  /** Uses one thread whatever `--threads` says. */
  readonly singleThreaded?: boolean;
  available(): Availability | Promise<Availability>;
  /** Builds what has to be built, before anything is measured. */
  prepare?(): Promise<void>;
  start(context: PeerContext): Child | Promise<Child>;
}

/** For a peer that knows them all. */
export const allProtocols: readonly Protocol[] = ["http1", "h2c", "https", "h2"];

/** The version in what a program says about itself, or all it said if there is none. */
export function versionIn(text: string): string {
  return /\d+\.\d+[\w.+-]*/.exec(text)?.[0] ?? text.trim();
}
