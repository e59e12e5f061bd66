import type { QueryRule } from "../cache/rules/query-rule.ts";
import type { Malformation } from "../http/streams.ts";
import type { RetryPolicy } from "../proxy/retries.ts";
import type { GroupSettings } from "../upstream/group-settings.ts";
import type { PeerOptions } from "../upstream/peer.ts";
import type { CompressSettings, DecompressSettings } from "./coding/coding-settings.ts";

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
  | { readonly kind: "clientCertificate"; readonly test: ValueTest }
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

/** What requests are told apart or held together by. Several are joined. */
export type KeyPart =
  /** The client's address: IPv6 ones by so many bits of their prefix, 1 to 128. */
  | { readonly kind: "client"; readonly v6Prefix: number }
  | { readonly kind: "header"; readonly name: string }
  | { readonly kind: "cookie"; readonly name: string }
  | { readonly kind: "query"; readonly name: string }
  | { readonly kind: "path" }
  | { readonly kind: "host" }
  | { readonly kind: "method" };

/** Where the requests of a route go when they don't all go to one upstream. */
export interface SplitTarget {
  readonly upstream: string;
  /** Its share of the requests that no target's `match` took, beside those of the others. 0: only those that match. */
  readonly weight: number;
  /** Requests that always go there; null: none. The first target that matches has them. */
  readonly match: Match | null;
}

/** A copy of requests that goes to another upstream, whose answers nobody sees. */
export interface MirrorSettings {
  readonly upstream: string;
  /** Of the requests, 0 to 1. */
  readonly share: number;
  /** Copies under way at once, in each thread; more aren't sent. Default 100. */
  readonly mostPending: number;
  /** Bytes of a body that may wait for the other server, per copy; beyond it the copy is given up. Default 1 MiB. */
  readonly mostBuffered: number;
  /** Milliseconds a copy may take as a whole. Default 30000. */
  readonly timeout: number;
}

/** How many requests are let in. */
export interface LimitSettings {
  /** Limits of the same name are one: routes that name it share what it allows. */
  readonly name: string;
  readonly algorithm: "fixed_window" | "sliding_window" | "token_bucket" | "concurrency";
  /** Requests within a window, or at once. For buckets: what flows in within a window. */
  readonly limit: number;
  /** Milliseconds. Nothing to `concurrency`. */
  readonly window: number;
  /** What a bucket holds. Nothing to the others. */
  readonly burst: number;
  /** What is limited apart; none: all requests together. */
  readonly key: readonly KeyPart[];
  /** Which requests are counted; null: all. */
  readonly match: Match | null;
  /** Addresses and ranges of clients that are let in uncounted. */
  readonly allow: readonly string[];
  /** True: nobody is refused; what would have been is counted. */
  readonly shadow: boolean;
  /** The status of refusals. Default 429. */
  readonly status: number;
  /** Whether responses tell by `RateLimit` fields how much is left. */
  readonly headers: boolean;
  /** Keys that are told apart at once; the one not seen for longest makes room. */
  readonly mostKeys: number;
  /** Where the counts stand when several machines share them; null: in this process. */
  readonly redis: RedisSettings | null;
}

export interface RedisSettings {
  /** `redis://`, `rediss://` or `redis+unix://`. */
  readonly url: string;
  /** What keys begin with. Default `sluice:`. */
  readonly prefix: string;
  /** Milliseconds after which a request isn't kept waiting for Redis, but decided here. Default 100. */
  readonly timeout: number;
}

/** Clients that stay with the server that they got first, by a signed cookie. */
export interface StickySettings {
  readonly cookie: string;
  /** What the cookie is signed with. */
  readonly secret: string;
  /** Seconds the cookie is kept; null: as long as the browser runs. */
  readonly maxAge: number | null;
  readonly path: string;
  readonly secure: boolean;
  readonly sameSite: "strict" | "lax" | "none" | null;
}

/** What a route does with a request. */
export type Action =
  | {
      readonly kind: "upstream";
      readonly upstream: string;
      readonly request: RequestChanges | null;
      /** Null: all go to `upstream`, which is the first target otherwise. */
      readonly split: readonly SplitTarget[] | null;
      readonly mirror: MirrorSettings | null;
    }
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
  /** In order; the first that is exceeded answers. */
  readonly limits: readonly LimitSettings[];
  /** Names of plugins that its requests and their responses go through, behind those of the listener. */
  readonly plugins: readonly string[];
  /** Names of filters that its sessions go through, behind those of the listener. */
  readonly filters: readonly string[];
  /** How responses are compressed, whoever makes them; null: they aren't. */
  readonly compress: CompressSettings | null;
  /** Which responses of servers are decompressed; null: none. */
  readonly decompress: DecompressSettings | null;
  /** Null: no cache is asked. */
  readonly cache: RouteCacheSettings | null;
  /** The longest a gRPC call may take, milliseconds; 0: no limit of its own. */
  readonly grpcTimeout: number;
}

/** How a route's requests use a cache. Times in seconds. */
export interface RouteCacheSettings {
  /** The name of the cache. */
  readonly use: string;
  /** What of a query belongs to a key. */
  readonly query: QueryRule;
  /** Request fields and cookies whose values belong to it. */
  readonly keyFields: readonly string[];
  readonly keyCookies: readonly string[];
  /** Pairs of a status and how long its responses are fresh that don't say so themselves. */
  readonly defaultLifetimes: readonly (readonly [status: number, seconds: number])[];
  /** Of the time since a response was modified, the share that it is fresh for, and at most how long; null: it isn't guessed. */
  readonly heuristic: { readonly fraction: number; readonly longest: number } | null;
  /** Null: no limit. */
  readonly longestLifetime: number | null;
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
  readonly storesCookies: boolean;
  readonly heedsRequests: boolean;
  /** Targeted fields, in lower case, the first that is there counts. */
  readonly targetedFields: readonly string[];
  /** Addresses and ranges of clients whose PURGE takes its URL out of the cache; none: the method means nothing here. */
  readonly purgeFrom: readonly string[];
}

/** A filter that a configuration names: phases that a module brings. */
export interface FilterSettings {
  /** What listeners and routes call it by. */
  readonly name: string;
  /** The module's file, as it is found from the working directory. */
  readonly module: string;
  /** What the module is told; undefined: nothing. */
  readonly config: unknown;
  /** Where `config` stands, or what else is there of the filter. */
  readonly place: TextPlace;
}

/** A place in a configuration; lines and columns count from 1. */
interface TextPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface UpstreamSettings extends GroupSettings {
  readonly name: string;
  readonly peer: PeerOptions;
  /** What requests are kept together by, where the policy hashes. */
  readonly hashBy: readonly KeyPart[];
  readonly sticky: StickySettings | null;
  readonly retries: RetryPolicy;
}

/** What of a listener the configured proxy has to know. */
export interface ListenerRoutes {
  readonly name: string;
  readonly routes: readonly RouteSettings[];
  /** Names of plugins that all its requests and their responses go through, the first of them next to the client. */
  readonly plugins: readonly string[];
  /** Names of filters that all its sessions go through, the first of them next to the client. */
  readonly filters: readonly string[];
  readonly forwarding: { readonly trustedProxies: readonly string[] };
}

/** The part of a snapshot that the configured proxy is made from. */
export interface ProxySettings {
  readonly listeners: readonly ListenerRoutes[];
  readonly upstreams: readonly UpstreamSettings[];
}
