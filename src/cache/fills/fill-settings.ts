export interface FillSettings {
  /**
   * Milliseconds after which a claim is thought to lead nowhere, and one more request goes to the server. A fetch that no client waits for is given up
   * then, if no response has come of it.
   */
  readonly longestClaim: number;
  /** Milliseconds that a request waits for others at most; then it goes to the server itself. */
  readonly longestWait: number;
  /** Requests that go to the server for a key one after the other, when they fail, before all who wait are told so. */
  readonly mostTries: number;
}

/**
 * nginx lets another request in after five seconds, and all that have waited for as long (`proxy_cache_lock_age`,
 * `proxy_cache_lock_timeout`): a server that takes longer than that gets all of them just when it is slowest. A request that leads
 * nowhere is ended by the timeouts of its server and so fails; the limits here are for what nobody has thought of, and lie beyond
 * those. A fetch that failed may have had bad luck; when the next one fails too, the server is in trouble, and those who wait had
 * better learn it now than queue up for their turns.
 */
export const FILL_DEFAULTS: FillSettings = { longestClaim: 60_000, longestWait: 60_000, mostTries: 2 };
