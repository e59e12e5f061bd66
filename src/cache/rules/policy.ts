/** What an operator may say about what is cached and for how long, besides what the responses say. */
export interface CachePolicy {
  /**
   * Targeted fields that are heard, in lower case, the most specific first (RFC 9213 §2.2). Default: `sluice-cdn-cache-control`,
   * `cdn-cache-control`
   */
  readonly targetedFields: readonly string[];
  /** Seconds by status for responses that say nothing about it; 0 for every other one. Default: none */
  readonly defaultLifetimes: ReadonlyMap<number, number>;
  /** How long a response is fresh that says nothing but when it was modified (RFC 9111 §4.2.2); null, the default: not at all */
  readonly heuristic: HeuristicLifetime | null;
  /** The longest that anything is fresh, in seconds. Default: no limit */
  readonly longestLifetime: number;
  /** Seconds for responses that don't say for themselves (RFC 5861). Default: 0 */
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
  /** Stores responses with Set-Cookie. Default: no, for a cookie is mostly one client's */
  readonly storesCookies: boolean;
  /** Heeds what requests say in Cache-Control and Pragma. Default: yes */
  readonly heedsRequests: boolean;
}

export interface HeuristicLifetime {
  /** Of the time since it was modified. Default: 0.1 */
  readonly fraction: number;
  /** Seconds. Default: a day */
  readonly longest: number;
}

export const DEFAULT_POLICY: CachePolicy = {
  targetedFields: ["sluice-cdn-cache-control", "cdn-cache-control"],
  defaultLifetimes: new Map(),
  heuristic: null,
  longestLifetime: Number.POSITIVE_INFINITY,
  staleWhileRevalidate: 0,
  staleIfError: 0,
  storesCookies: false,
  heedsRequests: true,
};
