import { monotonicNow } from "./monotonic.ts";

/**
 * Exact times, for what has to happen at a moment and not merely within a while: `timeouts.ts` serves the thousands of
 * deadlines that hardly ever fall due, this serves the few that all do.
 */

/** Tells the time, and rings alarms when it has come. Another one stands in for it in tests. */
export interface AlarmClock {
  /** Milliseconds with fractions, since some moment in the past. */
  now(): number;
  /** @internal */
  add(alarm: Alarm): void;
  /** @internal */
  drop(alarm: Alarm): void;
}

/** One call that is wanted at a time. It can be set again as often as one likes. */
export class Alarm {
  /** @internal when it rings */
  at = 0;
  /** @internal place in the clock's heap, -1 when it isn't set */
  place = -1;
  readonly #clock: AlarmClock;
  readonly #ring: () => void;

  constructor(clock: AlarmClock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  get isSet(): boolean {
    return this.place !== -1;
  }

  /**
   * Rings at `at`, on the clock's time; at once, but never within this call, when that has passed.
   * @throws RangeError for NaN, which comes before no other time and after none: all alarms would wait behind it
   */
  set(at: number): void {
    if (Number.isNaN(at)) throw new RangeError("An alarm needs a time, not NaN");
    this.clear();
    this.at = at;
    this.#clock.add(this);
  }

  clear(): void {
    if (this.isSet) this.#clock.drop(this);
  }

  /** @internal */
  ring(): void {
    this.#ring();
  }
}

/** Alarms by the time they are set for: a binary heap, each knowing its place in it. */
class AlarmHeap {
  readonly #alarms: Alarm[] = [];

  get first(): Alarm | undefined {
    return this.#alarms[0];
  }

  add(alarm: Alarm): void {
    this.#rise(this.#alarms.length, alarm);
  }

  remove(alarm: Alarm): void {
    const { place } = alarm;
    alarm.place = -1;
    const last = this.#alarms.pop()!;
    if (last === alarm) return;
    // The last one takes the place; it may belong further up or further down.
    this.#rise(place, last);
    this.#sink(last.place, last);
  }

  #put(place: number, alarm: Alarm): void {
    this.#alarms[place] = alarm;
    alarm.place = place;
  }

  #rise(from: number, alarm: Alarm): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#alarms[above]!;
      if (parent.at <= alarm.at) break;
      this.#put(place, parent);
      place = above;
    }
    this.#put(place, alarm);
  }

  #sink(from: number, alarm: Alarm): void {
    const { length } = this.#alarms;
    let place = from;
    for (let below = 2 * place + 1; below < length; below = 2 * place + 1) {
      if (below + 1 < length && this.#alarms[below + 1]!.at < this.#alarms[below]!.at) below++;
      const child = this.#alarms[below]!;
      if (child.at >= alarm.at) break;
      this.#put(place, child);
      place = below;
    }
    this.#put(place, alarm);
  }
}

/** Half of what Node's timers count in: an alarm that rings this much early is closer to its time than one turn later. */
export const ALARM_TOLERANCE = 0.5;

/** Milliseconds that alarms may ring in a row before whatever else waits in the thread gets its turn. */
const SLICE = 5;

/** Milliseconds that Node's timers can count; of more they make one. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** The clock of this thread: one timer, always for the alarm that comes first. */
class ThreadAlarmClock implements AlarmClock {
  readonly #heap = new AlarmHeap();
  readonly #keepsAlive: boolean;
  #timer: NodeJS.Timeout | null = null;
  /** Set while alarms are due already. */
  #next: NodeJS.Immediate | null = null;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(keepsAlive: boolean) {
    this.#keepsAlive = keepsAlive;
  }

  now(): number {
    return monotonicNow();
  }

  add(alarm: Alarm): void {
    this.#heap.add(alarm);
    if (alarm.at < this.#timerAt) this.#wind();
  }

  /** The timer stays: waking once for nothing is cheaper than to wind it anew each time. */
  drop(alarm: Alarm): void {
    this.#heap.remove(alarm);
  }

  #wind(): void {
    const { first } = this.#heap;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#timerAt = Number.POSITIVE_INFINITY;
    if (first === undefined) return;
    this.#timerAt = first.at;
    const wait = Math.round(first.at - this.now());
    if (wait > 0) this.#timer = setTimeout(this.#onTimer, Math.min(wait, LONGEST_TIMER));
    else this.#next ??= setImmediate(this.#onTimer);
    if (this.#keepsAlive) return;
    this.#timer?.unref();
    this.#next?.unref();
  }

  readonly #onTimer = (): void => {
    this.#timer = null;
    this.#next = null;
    const start = this.now();
    const until = start + ALARM_TOLERANCE;
    try {
      for (let { first } = this.#heap; first !== undefined && first.at <= until; first = this.#heap.first) {
        this.#heap.remove(first);
        first.ring();
        if (this.now() - start > SLICE) break;
      }
    } finally {
      this.#wind();
    }
  };
}

/** The exact clock of this thread. The time it tells is the same in all threads of the machine. */
export const threadAlarms: AlarmClock = new ThreadAlarmClock(true);

/** The same, for alarms that are no reason to keep the process alive. */
export const idleAlarms: AlarmClock = new ThreadAlarmClock(false);

/** A clock that stands still until it is told to go on. */
export class ManualAlarmClock implements AlarmClock {
  readonly #heap = new AlarmHeap();
  #now = 0;

  now(): number {
    return this.#now;
  }

  add(alarm: Alarm): void {
    this.#heap.add(alarm);
  }

  drop(alarm: Alarm): void {
    this.#heap.remove(alarm);
  }

  /** Lets `milliseconds` pass and rings what falls due meanwhile, each at its time. */
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (let { first } = this.#heap; first !== undefined && first.at <= end; first = this.#heap.first) {
      this.#now = Math.max(first.at, this.#now);
      this.#heap.remove(first);
      first.ring();
    }
    this.#now = end;
  }
}
