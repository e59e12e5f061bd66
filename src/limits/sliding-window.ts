import { LimitDecision } from "./limit-decision.ts";
import type { LimitMemory } from "./limit-memory.ts";
import type { Decision } from "./limiter.ts";
import type { LimiterSettings } from "./limiter-settings.ts";
import type { LimiterKind, LocalLimiter } from "./local-limiter.ts";

/** Groups that a key's requests are remembered in: a limit is held to within a 128th of it. */
const MOST_GROUPS = 128;
/**
 * What stamps count in, as a part of the window. They are the lower 16 bits of a count of ticks: one that stands in a ring is never
 * two windows old.
 */
const TICKS = 30_000;
const OLDEST = 2 * TICKS + 1;

/** Numbers of a slot: the time of the newest request, and the requests of the group that isn't full yet. */
const NUMBERS = 2;
/** Halves of a slot before its stamps. */
const HEAD = 0;
const LIVE = 1;
const STAMPS = 2;

/**
 * Never more than the limit in any stretch of time as long as the window. Requests are remembered in groups of equal size, each
 * by the time of its last one, in a ring; a group counts until that is a window ago.
 *
 *     stamps   │ 9 │ 12 │ 17 │ 21 │ 30 │   │   │      a ring of at most 128; the oldest is looked at first
 *                └ head            └ head + live       besides: the requests of the group that isn't full yet
 *
 * Up to a limit of 128 a group is one request and this is exact. Above, the first requests of a group count as long as its last:
 * a limit under steady pressure lets in up to 1/128 less than it might, never more. The usual sum of two windows, the one before
 * weighted by what of it is left, takes two numbers in place of 128, but lets in nearly twice the limit when the requests of
 * the window before came all at its end.
 */
class SlidingWindow implements LocalLimiter {
  readonly #limit: number;
  readonly #window: number;
  readonly #tick: number;
  /** Requests in a group, groups in a ring, halves in a slot. */
  readonly #group: number;
  readonly #groups: number;
  readonly #stride: number;
  readonly #memory: LimitMemory;
  readonly #decision: LimitDecision;

  constructor({ limit, window }: LimiterSettings, memory: LimitMemory) {
    this.#limit = limit;
    this.#window = window;
    this.#tick = window / TICKS;
    this.#group = groupSize(limit);
    this.#groups = groupsFor(limit);
    this.#stride = STAMPS + this.#groups;
    this.#memory = memory;
    this.#decision = new LimitDecision(limit);
  }

  take(key: string, now: number): Decision {
    const { table, numbers } = this.#memory;
    const slot = table.enter(key, now);
    const at = slot * NUMBERS;
    const newest = table.isFresh ? Number.NEGATIVE_INFINITY : numbers[at]!;
    // Another thread's clock may have been read a moment later than this one's.
    const time = newest > now ? newest : now;
    const ticks = Math.floor(time / this.#tick);
    if (time - newest >= this.#window) this.#clear(slot);
    else this.#expire(slot, ticks);
    const used = this.#used(slot);
    const isAllowed = used < this.#limit;
    if (isAllowed) this.#count(slot, time, ticks);
    const reset = numbers[at]! + this.#window - time;
    const wait = isAllowed ? 0 : TICKS - this.#oldestAge(slot, ticks);
    table.leave();
    return isAllowed
      ? this.#decision.allow(this.#limit - used - 1, reset)
      : this.#decision.refuse(reset, wait * this.#tick);
  }

  #clear(slot: number): void {
    const { numbers, halves } = this.#memory;
    numbers[slot * NUMBERS + 1] = 0;
    halves[slot * this.#stride + HEAD] = 0;
    halves[slot * this.#stride + LIVE] = 0;
  }

  /** Takes off the groups whose last request is a window ago. */
  #expire(slot: number, ticks: number): void {
    const { halves } = this.#memory;
    const at = slot * this.#stride;
    while (halves[at + LIVE]! > 0 && this.#oldestAge(slot, ticks) >= TICKS) {
      halves[at + HEAD] = this.#place(halves[at + HEAD]! + 1);
      halves[at + LIVE]! -= 1;
    }
  }

  #used(slot: number): number {
    const { numbers, halves } = this.#memory;
    return halves[slot * this.#stride + LIVE]! * this.#group + numbers[slot * NUMBERS + 1]!;
  }

  /** Ticks since the last request of the oldest group, rounded down; less than 0 for one of this very tick. */
  #oldestAge(slot: number, ticks: number): number {
    const { halves } = this.#memory;
    const at = slot * this.#stride;
    const age = (ticks - halves[at + STAMPS + halves[at + HEAD]!]!) & 0xffff;
    return age > OLDEST ? age - 0x1_0000 : age;
  }

  #count(slot: number, time: number, ticks: number): void {
    const { numbers, halves } = this.#memory;
    const partial = numbers[slot * NUMBERS + 1]! + 1;
    numbers[slot * NUMBERS] = time;
    numbers[slot * NUMBERS + 1] = partial < this.#group ? partial : 0;
    if (partial < this.#group) return;
    const at = slot * this.#stride;
    const place = this.#place(halves[at + HEAD]! + halves[at + LIVE]!);
    // Its tick has begun before it: the next one is when it is a window ago for certain.
    halves[at + STAMPS + place] = (ticks + 1) & 0xffff;
    halves[at + LIVE]! += 1;
  }

  /** A place in the ring, counted from its beginning and once around at the most. */
  #place(count: number): number {
    return count < this.#groups ? count : count - this.#groups;
  }
}

function groupSize(limit: number): number {
  return Math.ceil(limit / MOST_GROUPS);
}

/** No more are full at once. */
function groupsFor(limit: number): number {
  return Math.floor(limit / groupSize(limit));
}

export const slidingWindow: LimiterKind = {
  shapeOf: ({ limit }) => ({ numbers: NUMBERS, words: 0, halves: STAMPS + groupsFor(limit) }),
  // Groups and stamps are measured by both.
  canCountOn: (before, after) => before.limit === after.limit && before.window === after.window,
  create: (settings, memory) => new SlidingWindow(settings, memory),
};
