import { randomBytes } from "node:crypto";
import { DEFAULT_TRAFFIC, type TrafficSettings } from "../base/traffic/traffic-settings.ts";
import type { Snapshot } from "../config/snapshot.ts";
import type { AccessLogFormat } from "../observe/access-log.ts";
import type { ErrorLogOptions } from "../observe/error-log.ts";

/**
 * A name that no other process has: a request that comes back to us is told from one that went through another Sluice.
 */
export function instanceName(): string {
  return `sluice-${randomBytes(4).toString("hex")}`;
}

/** What a data plane runs: a configuration, a program, or a program with a configuration's settings. Plain data. */
export interface RunSpec {
  readonly snapshot: Snapshot | null;
  /** Path of a module that exports a program. */
  readonly program: string | null;
  /** Addresses for a program that names none itself. */
  readonly binds: readonly string[];
  readonly accessLog: { readonly path: string; readonly format: AccessLogFormat } | null;
  readonly errorLog: ErrorLogOptions;
  /** What `Via` calls this process, the same in all threads: see `instanceName`. */
  readonly instance: string;
  /** What faults draw their lots from: the same seed, the same lots. */
  readonly seed: string;
  /** True: every thread makes sure that FIPS mode is on. */
  readonly fips?: boolean;
  /** A file for the secrets of TLS connections; absent: they are told nobody. */
  readonly keyLog?: string;
  /** Paths of modules of own toxics, for every thread. */
  readonly toxics?: readonly string[];
}

/** The configuration whose routes decide where requests go; null where a program does, or nothing. */
export function routedSnapshot({ snapshot, program }: RunSpec): Snapshot | null {
  return program === null ? snapshot : null;
}

/** What is counted of the traffic: of a program without a configuration nothing, for there is nobody who could ask. */
export function trafficOf({ snapshot, program }: RunSpec): TrafficSettings {
  if (snapshot !== null) return snapshot.stats;
  return { ...DEFAULT_TRAFFIC, enabled: program === null };
}
