/** Resets that a server is sent on one connection at once, and what comes back of that in a second. */
const AT_ONCE = 500;
const PER_MILLISECOND = 25 / 1000;

/**
 * How many requests may be cancelled on a connection to a server. Servers take too many resets for a flood and end the connection,
 * with the requests of all clients on it: those built on nghttp2 after 1000 and 33 a second, Envoy after 500. So we are done
 * with it before they are.
 */
export class ResetAllowance {
  #used = 0;
  #since = 0;

  /**
   * A request was reset.
   * @param now milliseconds of a clock that doesn't go back
   * @returns false when the connection should carry no more requests
   */
  use(now: number): boolean {
    this.#used = Math.max(0, this.#used - (now - this.#since) * PER_MILLISECOND) + 1;
    this.#since = now;
    return this.#used < AT_ONCE;
  }
}
