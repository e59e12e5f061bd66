import type * as z from "zod";
import { type CircuitLimits, DEFAULT_GROUP, type GroupLimits } from "../../upstream/group-settings.ts";
import { duration } from "./units.ts";
import { integer, section } from "./values.ts";

const MOST = 2 ** 31 - 1;

const perServer = section("ServerLimits", "How much may be under way to each server at once. 0: no limit.", {
  connections: integer(0, MOST)
    .default(DEFAULT_GROUP.serverLimits.connections)
    .describe("Connections that carry something or are being made. With HTTP/2 each request counts as one."),
  requests: integer(0, MOST)
    .default(DEFAULT_GROUP.serverLimits.requests)
    .describe("Requests that wait for a response or its end."),
});

export interface CircuitDraft {
  readonly limits: GroupLimits;
  readonly serverLimits: CircuitLimits;
}

/** Circuit breakers. */
export const circuit: z.ZodType<CircuitDraft> = section(
  "UpstreamLimits",
  "Circuit breakers: how much may be under way to all servers at once, over all threads. What is over it is answered with 503. 0: no limit.",
  {
    connections: integer(0, MOST)
      .default(DEFAULT_GROUP.limits.connections)
      .describe(
        "Connections that carry something or are being made. With HTTP/2 each request counts as one.",
      ),
    requests: integer(0, MOST)
      .default(DEFAULT_GROUP.limits.requests)
      .describe("Requests that wait for a response or its end."),
    pending: integer(0, MOST)
      .default(DEFAULT_GROUP.limits.pending)
      .describe("Requests that may wait for room. 0: none waits."),
    pending_timeout: duration
      .prefault(`${DEFAULT_GROUP.limits.pendingTimeout / 1000}s`)
      .describe("How long they wait before they get 503."),
    retries: integer(0, MOST).default(DEFAULT_GROUP.limits.retries).describe("Repeated attempts under way."),
    per_server: perServer.prefault({}).describe("How much each server may have at once."),
  },
).transform(({ connections, requests, pending, pending_timeout, retries, per_server }): CircuitDraft => {
  return {
    limits: { connections, requests, pending, pendingTimeout: pending_timeout, retries },
    serverLimits: per_server,
  };
});
