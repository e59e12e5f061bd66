import { Alarm, type AlarmClock } from "../base/alarms.ts";
import { ProxyError } from "../base/errors.ts";
import { type GroupMemory, GroupWord, OwnGroupCount } from "./group-memory.ts";
import type { GroupLimits } from "./group-settings.ts";

/** How often room is looked for that requests of other threads have left, milliseconds. */
const LOOK = 10;

/** One request that waits. */
class Waiter {
  readonly promise: Promise<void>;
  /** When it has waited long enough. */
  readonly until: number;
  readonly #signal: AbortSignal | null;
  readonly #onAbort: () => void;
  readonly #settle: { resolve(): void; reject(reason: unknown): void };

  constructor(until: number, signal: AbortSignal | null, onAbort: (waiter: Waiter) => void) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.promise = promise;
    this.until = until;
    this.#settle = { resolve, reject };
    this.#signal = signal;
    this.#onAbort = () => onAbort(this);
    signal?.addEventListener("abort", this.#onAbort);
  }

  letIn(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#settle.resolve();
  }

  giveUp(): void {
    this.refuse(this.#signal?.reason);
  }

  refuse(reason: unknown): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#settle.reject(reason);
  }
}

/**
 * Requests of one thread that wait for a group to have room: first come, first served. How many may wait is counted over
 * all threads. A request of this thread that ends lets the next one in at once; that those of other threads have ended is
 * found by looking.
 */
export class PendingQueue {
  readonly #limits: GroupLimits;
  readonly #memory: GroupMemory;
  readonly #clock: AlarmClock;
  readonly #room: () => number;
  readonly #waiters = new Set<Waiter>();
  readonly #alarm: Alarm;

  /** @param room how many more requests the group has room for */
  constructor(limits: GroupLimits, memory: GroupMemory, clock: AlarmClock, room: () => number) {
    this.#limits = limits;
    this.#memory = memory;
    this.#clock = clock;
    this.#room = room;
    this.#alarm = new Alarm(clock, () => this.#look());
  }

  get isEmpty(): boolean {
    return this.#waiters.size === 0;
  }

  /**
   * Resolves when there was room a moment ago.
   * @param signal its abort ends the wait with its reason
   * @throws ProxyError UPSTREAM_OVERLOADED when as many wait as may, or it took too long
   */
  wait(signal: AbortSignal | null): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    if (!this.#memory.addUpTo(GroupWord.Pending, this.#limits.pending)) return Promise.reject(overloaded());
    this.#memory.countGroup(OwnGroupCount.Pending, 1);
    const { pendingTimeout } = this.#limits;
    const until = pendingTimeout === 0 ? Number.POSITIVE_INFINITY : this.#clock.now() + pendingTimeout;
    const waiter = new Waiter(until, signal, this.#onAbort);
    this.#waiters.add(waiter);
    if (!this.#alarm.isSet) this.#alarm.set(this.#clock.now() + LOOK);
    return waiter.promise;
  }

  readonly #onAbort = (waiter: Waiter): void => this.#leave(waiter)?.giveUp();

  /** A request of this thread has ended. */
  onRoom(): void {
    if (this.#waiters.size > 0 && this.#room() > 0) this.#letNextIn();
  }

  #look(): void {
    const now = this.#clock.now();
    for (const waiter of this.#waiters) {
      if (waiter.until > now) break;
      this.#leave(waiter)?.refuse(overloaded());
    }
    for (let room = this.#room(); room > 0 && this.#waiters.size > 0; room--) this.#letNextIn();
    if (this.#waiters.size > 0) this.#alarm.set(now + LOOK);
  }

  #letNextIn(): void {
    for (const waiter of this.#waiters) {
      this.#leave(waiter)?.letIn();
      return;
    }
  }

  /** @returns it, null when it has left already */
  #leave(waiter: Waiter): Waiter | null {
    if (!this.#waiters.delete(waiter)) return null;
    this.#memory.add(GroupWord.Pending, -1);
    this.#memory.countGroup(OwnGroupCount.Pending, -1);
    return waiter;
  }
}

function overloaded(): ProxyError {
  return new ProxyError("UPSTREAM_OVERLOADED", "no server had room in time");
}
