import type { ProxyError } from "../base/errors.ts";
import type { AttemptWatcher } from "../upstream/attempt-watcher.ts";
import type { HttpPeer } from "../upstream/peer.ts";

/** Somebody who makes one attempt at a time to have a request answered, and tells the peer's watcher of it. */
export abstract class WatchedAttempt {
  /** Null when nobody wants to hear of it, and between two attempts. */
  #watcher: AttemptWatcher | null = null;
  #beganAt = 0;

  /** False when the server has no room any more; then there is no attempt. */
  protected beginAttempt({ watcher }: HttpPeer): boolean {
    if (watcher === null) return true;
    if (!watcher.onBegin()) return false;
    this.#watcher = watcher;
    if (watcher.isTimed) this.#beganAt = performance.now();
    return true;
  }

  /** The final head is there. */
  protected noteResponse(status: number): void {
    const watcher = this.#watcher;
    if (watcher === null) return;
    watcher.onResponse(status, watcher.isTimed ? performance.now() - this.#beganAt : 0);
  }

  /** The attempt is over. Nothing happens when it was already, or there was none. */
  protected endAttempt(error: ProxyError | null): void {
    const watcher = this.#watcher;
    if (watcher === null) return;
    this.#watcher = null;
    watcher.onEnd(error);
  }

  /** From now on, what `other` attempted is this one's. */
  protected takeAttempt(other: WatchedAttempt): void {
    this.#watcher = other.#watcher;
    this.#beganAt = other.#beganAt;
    other.#watcher = null;
  }
}
