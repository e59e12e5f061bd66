import { MAX_31_BITS } from "./frames.ts";

/**
 * What we may still send, on a connection or a stream (RFC 9113 §6.9.1). It gets negative when the peer makes the initial window smaller
 * after we sent (§6.9.2); then nothing is sent until it is positive again.
 */
export class SendWindow {
  available: number;

  constructor(initial: number) {
    this.available = initial;
  }

  /** Bytes that may be sent of `wanted`: 0 while the window is used up. */
  allowed(wanted: number): number {
    return Math.max(0, Math.min(wanted, this.available));
  }

  /** Counts bytes that are sent, of which `allowed` said that they may be. */
  take(bytes: number): void {
    this.available -= bytes;
  }

  /**
   * The peer lets us send more (WINDOW_UPDATE), or its initial window changed by `bytes`, which may be negative then.
   * @returns false when the window gets larger than one may be: FLOW_CONTROL_ERROR, of the stream or the connection for an
   * update, of the connection for a change of the initial window
   */
  grow(bytes: number): boolean {
    if (this.available + bytes > MAX_31_BITS) return false;
    this.available += bytes;
    return true;
  }
}

/** By how much the windows of a connection's streams may grow in all, beyond what each begins with. */
export class WindowBudget {
  left: number;

  constructor(bytes: number) {
    this.left = bytes;
  }

  /** Takes as much of `bytes` as there is. */
  take(bytes: number): number {
    const taken = Math.min(bytes, this.left);
    this.left -= taken;
    return taken;
  }

  giveBack(bytes: number): void {
    this.left += bytes;
  }
}

/** What windows must know of time, for all of a connection. */
export interface WindowTiming {
  /** Milliseconds of a clock that doesn't go back. */
  now(): number;
  /** Milliseconds to the peer and back; 0 while that isn't known. */
  readonly roundTrip: number;
}

/** A window grows when half of it is used up within so many round trips: then the peer waits for our updates. */
const FAST_ROUND_TRIPS = 2;
/** What isn't used yet may be so much of the window (a quarter), or it isn't the window that holds the peer up. */
const BACKLOG_SHARE = 4;

/**
 * What the peer may still send us, and how much that should be:
 *
 *     size:  | may still be sent: available | received, not used yet: held | used, not told yet: owed |
 *
 * An update is due when half of the window is owed, so that there are few of them and the peer seldom has to stop. The window
 * begins small and doubles when those halves are used up as fast as updates can travel, while next to nothing lies here
 * unused: then the peer sends no faster because of the window. A peer that is slow, or whose bytes nobody takes, keeps the
 * window it has. Bytes alone don't tell these cases apart, for an update counts here as soon as it is written.
 */
export class ReceiveWindow {
  /** What the window is when nothing is on its way. */
  size: number;
  available: number;
  held = 0;
  readonly #limit: number;
  readonly #timing: WindowTiming;
  readonly #budget: WindowBudget | null;
  #owed = 0;
  #granted = 0;
  #updatedAt = -1;

  /**
   * @param announced what the peer knows: 65,535 for a connection, the initial window of our settings for a stream. A peer that
   * hasn't seen our settings yet takes 65,535 for granted; so until they are acknowledged, no window is less than that.
   * @param limit bytes that it may grow to
   * @param budget what growth is paid from; null for no other bound than `limit`
   */
  constructor(announced: number, limit: number, timing: WindowTiming, budget: WindowBudget | null = null) {
    this.size = announced;
    this.available = announced;
    this.#limit = Math.min(limit, MAX_31_BITS);
    this.#timing = timing;
    this.#budget = budget;
  }

  /** Counts a whole DATA payload, padding included; false when the peer wasn't allowed to send it: FLOW_CONTROL_ERROR. */
  receive(bytes: number): boolean {
    if (bytes > this.available) return false;
    this.available -= bytes;
    this.held += bytes;
    return true;
  }

  /**
   * Bytes that were received are used, or thrown away.
   * @returns the increment to send now in a WINDOW_UPDATE, 0 for none yet
   */
  release(bytes: number): number {
    this.held -= bytes;
    this.#owed += bytes;
    if (this.#owed * 2 < this.size) return 0;
    this.#adapt();
    return this.#settle();
  }

  /**
   * Makes the window `size` bytes large, if it is smaller and may be so large; for a connection right after its preface.
   * @returns the increment to send now, 0 for none
   */
  raise(size: number): number {
    this.#grow(size - this.size);
    return this.#settle();
  }

  /** The stream is over: what its window grew by is there for others. */
  close(): void {
    this.#budget?.giveBack(this.#granted);
    this.#granted = 0;
  }

  #adapt(): void {
    const now = this.#timing.now();
    const isFast = this.#updatedAt >= 0 && now - this.#updatedAt < FAST_ROUND_TRIPS * this.#timing.roundTrip;
    this.#updatedAt = now;
    if (isFast && this.held * BACKLOG_SHARE <= this.size) this.#grow(this.size);
  }

  #settle(): number {
    const increment = this.#owed;
    this.#owed = 0;
    this.available += increment;
    return increment;
  }

  #grow(wanted: number): void {
    const room = Math.max(0, Math.min(wanted, this.#limit - this.size));
    const granted = this.#budget === null ? room : this.#budget.take(room);
    this.#granted += granted;
    this.size += granted;
    this.#owed += granted;
  }
}
