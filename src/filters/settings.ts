import type { Malformation } from "../http/streams.ts";
import type { BalancingPolicyName, ServerInit } from "../upstream/load-balancer.ts";
import type { PeerOptions } from "../upstream/peer.ts";

/*
 * What the configured proxy is made of, in normal form: plain data that can be posted to another thread. Every short form
 * of the configuration file ends up as one of these.
 */

/** A path as a route asks for it; see `request-path.ts` for what it is compared with. */
export type PathPattern =
  | { readonly kind: "exact"; readonly path: string }
  /** The path itself and everything below it. With a slash at its end: only what is below. */
  | { readonly kind: "prefix"; readonly path: string }
  | { readonly kind: "regex"; readonly pattern: string };

/** What is asked of the values of a header field or a query parameter. */
export type ValueTest =
  | { readonly kind: "present" }
  | { readonly kind: "absent" }
  | { readonly kind: "equals"; readonly value: string }
  | { readonly kind: "regex"; readonly pattern: string };

/** Which requests a route takes. */
export type Match =
  | { readonly kind: "all"; readonly of: readonly Match[] }
  | { readonly kind: "any"; readonly of: readonly Match[] }
  | { readonly kind: "not"; readonly of: Match }
  | { readonly kind: "method"; readonly methods: readonly string[] }
  | { readonly kind: "host"; readonly hosts: readonly string[] }
  | { readonly kind: "path"; readonly paths: readonly PathPattern[] }
  | { readonly kind: "header"; readonly name: string; readonly test: ValueTest }
  | { readonly kind: "query"; readonly name: string; readonly test: ValueTest }
  | { readonly kind: "client"; readonly ranges: readonly string[] }
  | { readonly kind: "websocket"; readonly wanted: boolean };

/** Names and values; a name may repeat. */
export type FieldList = readonly (readonly [name: string, value: string])[];

/** Changes to named values, made in this order. */
export interface FieldChanges {
  readonly remove: readonly string[];
  readonly set: FieldList;
  readonly add: FieldList;
}

export type PathChange =
  | { readonly kind: "set"; readonly path: string }
  | { readonly kind: "strip_prefix"; readonly prefix: string }
  | { readonly kind: "add_prefix"; readonly prefix: string }
  | { readonly kind: "replace"; readonly pattern: string; readonly replacement: string };

/** The Host that the server gets: the client's, the server's own address, or a text. */
export type HostChange = { readonly kind: "upstream" } | { readonly kind: "literal"; readonly host: string };

/** What becomes of a request on its way to the server. */
export interface RequestChanges {
  readonly path: readonly PathChange[];
  readonly query: FieldChanges | null;
  readonly host: HostChange | null;
  readonly headers: FieldChanges | null;
}

/** A fixed response. */
export interface FixedResponse {
  readonly status: number;
  readonly headers: FieldList;
  readonly body: string | null;
}

/** What a route does with a request. */
export type Action =
  | { readonly kind: "upstream"; readonly upstream: string; readonly request: RequestChanges | null }
  | { readonly kind: "redirect"; readonly status: number; readonly target: string }
  | ({ readonly kind: "respond" } & FixedResponse);

/** A fault on the requests of a route: which ones it strikes, and how. Times in milliseconds. */
export interface HttpFaultSettings {
  /** Unique within a listener. */
  readonly name: string;
  /** False: it waits to be switched on. */
  readonly enabled: boolean;
  /** Which of the route's requests are counted; null: every one. */
  readonly match: Match | null;
  /** Of those, only the first so many; null: all. */
  readonly first: number | null;
  /** Of those, every so many-th; null: each. */
  readonly every: number | null;
  /** A header field: the requests of each of its values are counted apart. Null: all together. */
  readonly key: string | null;
  /** Of those that the counts leave, the share that the lot falls on, 0 to 1. */
  readonly share: number;
  readonly delay: number;
  /** By how much a delay may differ, either way. */
  readonly jitter: number;
  /** What is answered in place of what the route would do. */
  readonly abort: FixedResponse | null;
  /** The connection is reset in place of an answer. */
  readonly reset: boolean;
  readonly malformed: Malformation | null;
  /** Bytes of the response's body after which it is broken off. */
  readonly truncate: number | null;
  /** Bytes of the response's body a second. */
  readonly throttle: number | null;
}

export interface RouteSettings {
  readonly name: string;
  /** Null: every request. */
  readonly match: Match | null;
  readonly action: Action;
  /** Changes to the response on its way to the client, whoever made it. */
  readonly response: FieldChanges | null;
  /** Those that strike a request act on it together. */
  readonly faults: readonly HttpFaultSettings[];
}

export interface UpstreamSettings {
  readonly name: string;
  readonly servers: readonly Required<ServerInit>[];
  readonly policy: BalancingPolicyName;
  readonly peer: PeerOptions;
}

/** What of a listener the configured proxy has to know. */
export interface ListenerRoutes {
  readonly name: string;
  readonly routes: readonly RouteSettings[];
  readonly forwarding: { readonly trustedProxies: readonly string[] };
}

/** The part of a snapshot that the configured proxy is made from. */
export interface ProxySettings {
  readonly listeners: readonly ListenerRoutes[];
  readonly upstreams: readonly UpstreamSettings[];
}
