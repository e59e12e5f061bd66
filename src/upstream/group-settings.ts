import type { PeerTlsOptions } from "./peer-tls.ts";
import type { ServerInit } from "./server.ts";

/*
 * What an upstream group is made of, in normal form: plain data that can be posted to another thread. Times are
 * milliseconds, shares go from 0 to 1, and 0 switches a limit or timeout off unless it says otherwise.
 */

export const BALANCING_POLICIES = [
  "round_robin",
  "random",
  "least_connections",
  "peak_ewma",
  "ketama",
  "maglev",
] as const;

export type BalancingPolicyName = (typeof BALANCING_POLICIES)[number];

/** Statuses from `first` to `last`, both included. */
export interface StatusRange {
  readonly first: number;
  readonly last: number;
}

/** Names and values, sent in this order. */
export type ProbeFields = readonly (readonly [name: string, value: string])[];

interface CheckTimes {
  /** Between two probes of a server. The first one waits as long. Default 10000. */
  readonly interval: number;
  /** By what share of the interval a probe may come earlier or later. Default 0.1. */
  readonly jitter: number;
  /** Default 2000. */
  readonly timeout: number;
  /** Successes in a row that bring a server back. Default 1. */
  readonly rise: number;
  /** Failures in a row that take a server out. Default 1. */
  readonly fall: number;
  /** The port to probe; null: the server's own. */
  readonly port: number | null;
  /** A proxy to connect through; see `PeerOptions.proxy`. Default: none. */
  readonly proxy?: string;
  /** Local address to connect from. */
  readonly localAddress?: string;
}

/** How servers are asked whether they are well. */
export type HealthCheckSettings =
  /** A connection can be made. */
  | (CheckTimes & { readonly kind: "tcp" })
  /** A TLS handshake succeeds. */
  | (CheckTimes & { readonly kind: "tls"; readonly tls: PeerTlsOptions })
  | (CheckTimes & {
      readonly kind: "http";
      readonly method: string;
      readonly path: string;
      readonly headers: ProbeFields;
      readonly expect: readonly StatusRange[];
      /** A regular expression that the first 64 KiB of the body must match; null: whatever body. */
      readonly body: string | null;
      /** Null: plain HTTP. */
      readonly tls: PeerTlsOptions | null;
      /** Without TLS: HTTP/2, which the server must expect. Default: HTTP/1.1. */
      readonly http2?: boolean;
    })
  /** The standard health service of gRPC, over HTTP/2. */
  | (CheckTimes & { readonly kind: "grpc"; readonly service: string; readonly tls: PeerTlsOptions | null });

/** How servers that fail requests are taken out for a while (outlier detection). */
export interface OutlierSettings {
  /** Failures in a row. Default 5. */
  readonly consecutive: number;
  /** Responses that count as failures, beside connections that fail, are reset or time out. Default: none. */
  readonly statuses: readonly StatusRange[];
  /** The share of failures within `window` that is too much; 0: not looked at. Default 0. */
  readonly ratio: number;
  /** Default 10000. */
  readonly window: number;
  /** Requests within a window below which its ratio says nothing. Default 20. */
  readonly minimumRequests: number;
  /** How long a server is out for the first time; n times as long for the n-th time in a row. Default 10000. */
  readonly ejection: number;
  /** The longest. Default 300000. */
  readonly longestEjection: number;
  /** The share of a group that may be out like this; of two or more servers one may always be, the last one never. Default 0.5. */
  readonly mostEjected: number;
}

/** How much may be under way at once, over all threads. 0: as much as comes. */
export interface CircuitLimits {
  /**
   * Connections that carry something or are being made; tunnels stay connections for as long as they last. Where many requests share one,
   * each counts: which connections a thread has says nothing about what others may still send.
   */
  readonly connections: number;
  /** Requests that wait for a response or its end. */
  readonly requests: number;
}

export interface GroupLimits extends CircuitLimits {
  /** Requests that wait for a server to have room. 0: none waits, they are refused. */
  readonly pending: number;
  /** How long they wait. Default 5000. */
  readonly pendingTimeout: number;
  /** Repeated attempts under way. */
  readonly retries: number;
}

export interface RetryBudget {
  /** Repeated attempts under way, as a share of the requests under way. */
  readonly share: number;
  /** Those that are allowed whatever the share. */
  readonly least: number;
}

/** Where servers come from when they aren't written down. */
export type DiscoverySettings =
  /** A YAML or JSON file with a list of servers, read again when it changes. */
  | { readonly kind: "file"; readonly path: string }
  /** A and AAAA records. `family` 0: both. `resolvers`: `host:port`s; null: the system's. */
  | {
      readonly kind: "dns";
      readonly name: string;
      readonly port: number;
      readonly family: 0 | 4 | 6;
      readonly resolvers: readonly string[] | null;
      /** Bounds of what records say how long they are good for. Default 1000 to 3600000. */
      readonly shortest: number;
      readonly longest: number;
    }
  /** SRV records: host, port, priority and weight. */
  | {
      readonly kind: "srv";
      readonly name: string;
      readonly resolvers: readonly string[] | null;
      readonly shortest: number;
      readonly longest: number;
    }
  /** A JSON list of servers behind a URL, asked for again and again. */
  | {
      readonly kind: "http";
      readonly url: string;
      readonly headers: ProbeFields;
      readonly interval: number;
      readonly timeout: number;
    };

/** An upstream group, but for its name and how its peers are reached. */
export interface GroupSettings {
  readonly policy: BalancingPolicyName;
  readonly servers: readonly Required<ServerInit>[];
  /** Null: `servers` are all there are. Otherwise they are those that there are until more is known. */
  readonly discovery: DiscoverySettings | null;
  /** Servers that there may be at once; 0: as many as the memory has slots. */
  readonly mostServers: number;
  /** The proxy's own zone; null: it has none. */
  readonly zone: string | null;
  /** When less than this share of a rank is available, all of its servers are used as if they were. Default 0: never. */
  readonly panic: number;
  /** How long a server that comes back takes to get its full share again. Not for policies that hash. Default 0. */
  readonly slowStart: number;
  readonly checks: readonly HealthCheckSettings[];
  /** Null: what servers do with requests has no consequences. */
  readonly outliers: OutlierSettings | null;
  readonly limits: GroupLimits;
  readonly serverLimits: CircuitLimits;
  /** Null: as many retries as the retry policy allows. */
  readonly retryBudget: RetryBudget | null;
}

/** What a group is made of unless it is told otherwise; alone, it never takes a server out. */
export const DEFAULT_GROUP: GroupSettings = {
  policy: "round_robin",
  servers: [],
  discovery: null,
  mostServers: 0,
  zone: null,
  panic: 0,
  slowStart: 0,
  checks: [],
  outliers: null,
  limits: { connections: 0, requests: 0, pending: 0, pendingTimeout: 5_000, retries: 0 },
  serverLimits: { connections: 0, requests: 0 },
  retryBudget: null,
};
