import type { ProxyError } from "../base/errors.ts";
import type { AttemptWatcher } from "../upstream/attempt-watcher.ts";
import type { HttpPeer } from "../upstream/peer.ts";

/** Somebody who makes one attempt at a time to have a request answered, and tells the peer's watcher of it. */
export abstract class WatchedAttempt {
  /** Null when nobody wants to hear of it, and between two attempts. */
  #watcher: AttemptWatcher | null = null;
  /** 0 when the attempt isn't timed, or its response was there. */
  #beganAt = 0;

  /** False when the server has no room any more; then there is no attempt. */
  protected beginAttempt({ watcher }: HttpPeer): boolean {
    if (watcher === null) return true;
    if (!watcher.onBegin()) return false;
    this.#watcher = watcher;
    this.#beganAt = watcher.isTimed ? performance.now() : 0;
    return true;
  }

  /** The final head is there. */
  protected noteResponse(status: number): void {
    const watcher = this.#watcher;
    if (watcher === null) return;
    const waited = this.#waited;
    this.#beganAt = 0;
    watcher.onResponse(status, waited);
  }

  /** The attempt is over. Nothing happens when it was already, or there was none. */
  protected endAttempt(error: ProxyError | null): void {
    const watcher = this.#watcher;
    if (watcher === null) return;
    this.#watcher = null;
    watcher.onEnd(error, this.#waited);
  }

  get #waited(): number {
    return this.#beganAt === 0 ? 0 : performance.now() - this.#beganAt;
  }

  /** From now on, what `other` attempted is this one's. */
  protected takeAttempt(other: WatchedAttempt): void {
    this.#watcher = other.#watcher;
    this.#beganAt = other.#beganAt;
    other.#watcher = null;
  }
}
