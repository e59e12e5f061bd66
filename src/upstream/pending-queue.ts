import { Alarm, type AlarmClock } from "../base/alarms.ts";
import { ProxyError } from "../base/errors.ts";
import { type GroupMemory, GroupWord, OwnGroupCount } from "./group-memory.ts";
import type { GroupLimits } from "./group-settings.ts";

/** How often room is looked for that requests of other threads have left, milliseconds. */
const LOOK = 10;

/** One request that waits. */
class Waiter<T = unknown> {
  readonly promise: Promise<T>;
  /** When it has waited long enough. */
  readonly until: number;
  readonly #choose: () => T;
  readonly #signal: AbortSignal | null;
  readonly #onAbort: () => void;
  readonly #settle: { resolve(value: T): void; reject(reason: unknown): void };

  constructor(choose: () => T, until: number, signal: AbortSignal | null, onAbort: (waiter: Waiter) => void) {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.promise = promise;
    this.until = until;
    this.#choose = choose;
    this.#settle = { resolve, reject };
    this.#signal = signal;
    this.#onAbort = () => onAbort(this);
    signal?.addEventListener("abort", this.#onAbort);
  }

  /** @returns false when another thread was quicker: it waits on */
  tryIn(): boolean {
    try {
      this.#settle.resolve(this.#choose());
    } catch (error) {
      if (error instanceof ProxyError && error.code === "UPSTREAM_OVERLOADED") return false;
      this.#settle.reject(error);
    }
    this.#signal?.removeEventListener("abort", this.#onAbort);
    return true;
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
  readonly #group: string;
  readonly #limits: GroupLimits;
  readonly #memory: GroupMemory;
  readonly #clock: AlarmClock;
  readonly #room: (enough: number) => number;
  readonly #waiters = new Set<Waiter>();
  readonly #alarm: Alarm;

  /**
   * @param group its name, for errors
   * @param room for how many more requests the group has room; more than `enough` need not be counted
   */
  constructor(
    group: string,
    limits: GroupLimits,
    memory: GroupMemory,
    clock: AlarmClock,
    room: (enough: number) => number,
  ) {
    this.#group = group;
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
   * Resolves with what `choose` returns when there is room. While that throws UPSTREAM_OVERLOADED, for another thread
   * was quicker, the request keeps its turn.
   * @param signal its abort ends the wait with its reason
   * @throws ProxyError UPSTREAM_OVERLOADED when as many wait as may, or it took too long
   */
  wait<T>(choose: () => T, signal: AbortSignal | null): Promise<T> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    if (!this.#memory.addUpTo(GroupWord.Pending, this.#limits.pending))
      return Promise.reject(this.#refusal("as many wait as may"));
    this.#memory.countGroup(OwnGroupCount.Pending, 1);
    const { pendingTimeout } = this.#limits;
    const until = pendingTimeout === 0 ? Number.POSITIVE_INFINITY : this.#clock.now() + pendingTimeout;
    const waiter = new Waiter(choose, until, signal, this.#onAbort);
    this.#waiters.add(waiter);
    if (!this.#alarm.isSet) this.#alarm.set(this.#clock.now() + LOOK);
    return waiter.promise;
  }

  readonly #onAbort = (waiter: Waiter): void => this.#leave(waiter)?.giveUp();

  /** A request of this thread has ended. */
  onRoom(): void {
    if (this.#waiters.size > 0 && this.#room(1) > 0) this.#letNextIn();
  }

  #look(): void {
    const now = this.#clock.now();
    for (const waiter of this.#waiters) {
      if (waiter.until > now) break;
      this.#leave(waiter)?.refuse(this.#refusal("no server had room in time"));
    }
    for (let room = this.#room(this.#waiters.size); room > 0 && this.#letNextIn(); room--);
    if (this.#waiters.size > 0) this.#alarm.set(now + LOOK);
  }

  /** @returns whether somebody was let in */
  #letNextIn(): boolean {
    for (const waiter of this.#waiters) {
      if (!waiter.tryIn()) return false;
      this.#leave(waiter);
      return true;
    }
    return false;
  }

  /** @returns it, null when it has left already */
  #leave(waiter: Waiter): Waiter | null {
    if (!this.#waiters.delete(waiter)) return null;
    this.#memory.add(GroupWord.Pending, -1);
    this.#memory.countGroup(OwnGroupCount.Pending, -1);
    return waiter;
  }

  #refusal(reason: string): ProxyError {
    return new ProxyError("UPSTREAM_OVERLOADED", `${this.#group}, ${reason}`);
  }
}
