import * as z from "zod";
import { type ApiClient, ApiError } from "./api-client.ts";

/** A server as the API tells it. */
export interface ApiServer {
  readonly address: string;
  readonly state: "up" | "down" | "ejected" | "draining" | "disabled";
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly weight: number;
  /** The part of its weight that it gets while it starts slowly: 0 to 1. */
  readonly ramp: number;
  readonly priority: number;
  readonly zone: string | null;
  /** Under way. */
  readonly requests: number;
  /** Milliseconds; null where it isn't taken. */
  readonly latency: number | null;
  readonly counts: {
    readonly requests: number;
    readonly responses_5xx: number;
    readonly connect_failures: number;
    readonly failures: number;
    readonly retries: number;
    readonly ejections: number;
  };
}

/** A group of servers as the API tells it. */
export interface ApiUpstream {
  readonly name: string;
  readonly policy: string;
  readonly servers: readonly ApiServer[];
  /** Under way, waiting for room, and repeated. */
  readonly requests: number;
  readonly pending: number;
  readonly retries: number;
  readonly discovery_error: string | null;
}

const serverShape: z.ZodType<ApiServer> = z.looseObject({
  address: z.string(),
  state: z.enum(["up", "down", "ejected", "draining", "disabled"]),
  reason: z.string(),
  since: z.number(),
  weight: z.number(),
  ramp: z.number(),
  priority: z.number(),
  zone: z.string().nullable(),
  requests: z.number(),
  latency: z.number().nullable(),
  counts: z.looseObject({
    requests: z.number(),
    responses_5xx: z.number(),
    connect_failures: z.number(),
    failures: z.number(),
    retries: z.number(),
    ejections: z.number(),
  }),
});

const upstreamShape: z.ZodType<ApiUpstream> = z.looseObject({
  name: z.string(),
  policy: z.string(),
  servers: z.array(serverShape),
  requests: z.number(),
  pending: z.number(),
  retries: z.number(),
  discovery_error: z.string().nullable(),
});

/** A limit as the API tells it. */
export interface ApiLimit {
  readonly name: string;
  readonly algorithm: string;
  readonly limit: number;
  /** Milliseconds. */
  readonly window: number;
  readonly burst: number;
  readonly shadow: boolean;
  readonly is_remote: boolean;
  readonly counts: {
    readonly allowed: number;
    readonly refused: number;
    readonly shadowed: number;
    readonly errors: number;
  };
}

const limitShape: z.ZodType<ApiLimit> = z.looseObject({
  name: z.string(),
  algorithm: z.string(),
  limit: z.number(),
  window: z.number(),
  burst: z.number(),
  shadow: z.boolean(),
  is_remote: z.boolean(),
  counts: z.looseObject({
    allowed: z.number(),
    refused: z.number(),
    shadowed: z.number(),
    errors: z.number(),
  }),
});

/** What a server is told to be; what isn't said stays. */
export interface ApiServerChange {
  readonly state?: "enabled" | "draining" | "disabled";
  readonly weight?: number;
}

/** In the order of the configuration. Rejects with an `ApiError`. */
export function listUpstreams(client: ApiClient): Promise<ApiUpstream[]> {
  return known(client, client.read("GET", "/upstreams", z.array(upstreamShape)));
}

/** In the order of the configuration. Rejects with an `ApiError`. */
export function listLimits(client: ApiClient): Promise<ApiLimit[]> {
  return known(client, client.read("GET", "/limits", z.array(limitShape)));
}

/** Rejects with an `ApiError`: when there is no such upstream or server it says which there are. */
export function changeServer(
  client: ApiClient,
  upstream: string,
  server: string,
  change: ApiServerChange,
): Promise<ApiServer> {
  const path = `/upstreams/${encodeURIComponent(upstream)}/servers/${encodeURIComponent(server)}`;
  return known(client, client.read("PATCH", path, serverShape, change));
}

const NO_SERVER =
  "a running process answers if its configuration has admin:, or with sluice http --admin; --host names another";

/**
 * Says what helps: whether nobody is there, or somebody who doesn't know what is asked, as the original Toxiproxy.
 * @param lack what is to be said of such a one
 */
export async function known<T>(
  client: ApiClient,
  call: Promise<T>,
  lack: string = "has no groups of servers",
): Promise<T> {
  try {
    return await call;
  } catch (cause) {
    if (!(cause instanceof ApiError)) throw cause;
    const { status, code, message } = cause;
    if (status === 404 && code === "") throw new ApiError(0, `${client.url} ${lack}`, { cause });
    if (status === 0 && cause.cause !== undefined)
      throw new ApiError(0, `${message} (${NO_SERVER})`, { cause });
    throw cause;
  }
}
