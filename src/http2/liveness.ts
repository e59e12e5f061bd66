import { Deadline, type DeadlineOwner, type TimeoutQueue } from "../base/timeouts.ts";

/** How long a peer may leave us without a word. */
export interface LivenessTimes {
  /** Until it acknowledges our settings (RFC 9113 §6.5.3) */
  readonly settingsTimeout: TimeoutQueue;
  /** How long it may be silent before it is asked */
  readonly pingInterval: TimeoutQueue;
  /** How long after that */
  readonly pingTimeout: TimeoutQueue;
}

export interface LivenessOwner {
  /** Something is wanted of the peer, and nothing else would tell that it is gone. */
  readonly needsPeer: boolean;
  /** Asks the peer for an answer. */
  probe(): void;
  /** The peer hasn't acknowledged our settings. */
  onUnsettled(): void;
  /** The peer hasn't answered, and said nothing else either. */
  onSilence(): void;
}

/**
 * Sees to it that the peer of a connection is still there:
 *
 *     settings ── acknowledged ──▶ silent? ── for the interval ──▶ PING ── for the timeout ──▶ gone
 *        └── not in time ──▶ gone     ▲── it said something ─────────┘
 *
 * Whatever it says counts, and is noted by a flag: nothing is set anew when bytes come. So silence is noticed between one
 * and two intervals after it began.
 */
export class Liveness implements DeadlineOwner {
  /** The peer has said something. */
  heard = false;
  readonly #owner: LivenessOwner;
  readonly #times: LivenessTimes;
  readonly #deadline: Deadline = new Deadline(this);
  #isWatching = false;

  constructor(owner: LivenessOwner, times: LivenessTimes) {
    this.#owner = owner;
    this.#times = times;
  }

  /** Our settings are on their way. */
  start(): void {
    this.#times.settingsTimeout.set(this.#deadline);
    this.#isWatching = this.#deadline.isIn(this.#times.settingsTimeout);
  }

  /** The peer has acknowledged them. */
  settled(): void {
    if (!this.#deadline.isIn(this.#times.settingsTimeout)) return;
    this.#deadline.clear();
    this.#isWatching = false;
    if (this.#owner.needsPeer) this.watch();
  }

  /** The peer has answered a PING. */
  answered(): void {
    if (!this.#deadline.isIn(this.#times.pingTimeout)) return;
    this.#isWatching = false;
    this.watch();
  }

  /** From now on something is wanted of the peer. */
  watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.heard = false;
    this.#times.pingInterval.set(this.#deadline);
  }

  stop(): void {
    this.#deadline.clear();
    this.#isWatching = true;
  }

  onDeadline(queue: TimeoutQueue): void {
    const { settingsTimeout, pingInterval, pingTimeout } = this.#times;
    this.#isWatching = false;
    if (queue === settingsTimeout) this.#owner.onUnsettled();
    else if (!this.#owner.needsPeer) return;
    else if (this.heard) this.watch();
    else if (queue === pingTimeout) this.#owner.onSilence();
    else this.#probe(pingInterval, pingTimeout);
  }

  /** Without a timeout it is asked all the same: that keeps what lies between us from forgetting the connection. */
  #probe(interval: TimeoutQueue, timeout: TimeoutQueue): void {
    this.#isWatching = true;
    this.#owner.probe();
    const next = timeout.duration === 0 ? interval : timeout;
    next.set(this.#deadline);
  }
}
