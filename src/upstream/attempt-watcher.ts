import type { ProxyError } from "../base/errors.ts";

/**
 * Hears what becomes of attempts to have a request answered by one server. A peer that has one (`HttpPeer.watcher`) is told
 * of by the engine, whoever chose it:
 *
 *     onBegin ── true ──▶ [onResponse] ──▶ onEnd          each once, in this order
 *        └── false: nothing follows; `upstreamPeer` is asked again, and that doesn't count as another try
 *
 * One object serves all attempts on its server, so that a request costs no allocation.
 */
export interface AttemptWatcher {
  /** Whether `onResponse` wants to know how long it took; otherwise the clock isn't read. */
  readonly isTimed: boolean;
  /** An attempt begins. False: there is no room, because another thread was quicker. */
  onBegin(): boolean;
  /**
   * The final response's head is there.
   * @param milliseconds from `onBegin` to this; 0 when it isn't timed
   */
  onResponse(status: number, milliseconds: number): void;
  /**
   * The attempt is over.
   * @param error what ended it, on whichever side; null: the response came to its end, or the attempt was given up by the proxy itself
   * @param waited milliseconds from `onBegin` to this, in vain; 0 when the response's head had come, or it isn't timed
   */
  onEnd(error: ProxyError | null, waited: number): void;
}
