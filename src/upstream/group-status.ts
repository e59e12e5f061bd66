import type { ServerCountName } from "./group-memory.ts";
import type { BalancingPolicyName } from "./group-settings.ts";

/*
 * What a group of servers looks like to people and programs that ask. Plain data. Times are milliseconds since 1970.
 */

/** What people order a server to be. */
export type ServerOrder = "enabled" | "draining" | "disabled";

/** `up`, or what keeps it from being chosen: what was ordered comes before what was found. */
export type ServerState = "up" | "down" | "ejected" | "draining" | "disabled";

export interface ServerStatus {
  readonly address: string;
  readonly state: ServerState;
  /** Why: `connect ECONNREFUSED`, `5 failures in a row`, `by order`; "" for one that was never anything but up. */
  readonly reason: string;
  readonly since: number;
  /** As it is set now, and the part of it that it gets while it starts slowly: 0 to 1. */
  readonly weight: number;
  readonly ramp: number;
  readonly priority: number;
  readonly zone: string | null;
  /** Under way, over all threads. */
  readonly requests: number;
  readonly connections: number;
  /** Average time to the first byte, milliseconds; null where it isn't taken. */
  readonly latency: number | null;
  readonly counts: Readonly<Record<ServerCountName, number>>;
}

export interface GroupStatus {
  readonly name: string;
  readonly policy: BalancingPolicyName;
  readonly servers: readonly ServerStatus[];
  /** Under way, over all threads; `pending` ones wait for room, `retries` are repeated attempts. */
  readonly requests: number;
  readonly connections: number;
  readonly pending: number;
  readonly retries: number;
  /** What discovery said last when it failed; null while it is well or there is none. */
  readonly discoveryError: string | null;
}

/** Something happened to a group or one of its servers. */
export type GroupEvent =
  | {
      readonly kind: "server";
      readonly group: string;
      readonly address: string;
      readonly from: ServerState;
      readonly to: ServerState;
      readonly reason: string;
      readonly time: number;
    }
  /** Servers came or went. */
  | {
      readonly kind: "servers";
      readonly group: string;
      readonly added: readonly string[];
      readonly removed: readonly string[];
      readonly time: number;
    }
  /** None of its servers is available any more, or one is again. */
  | { readonly kind: "group"; readonly group: string; readonly isDown: boolean; readonly time: number }
  | { readonly kind: "discovery"; readonly group: string; readonly message: string; readonly time: number };
