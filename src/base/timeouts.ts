/** How often timeouts are looked at, milliseconds: none fires early, each at most two ticks late. */
const TICK = 100;
/** So long after the tick before, the loop was held up. */
const HELD_UP = 2 * TICK;

/**
 * Something that may take too long. One object serves a whole connection: it stands in at most one queue at a time.
 */
export class Deadline {
  /** @internal */ queue: TimeoutQueue | null = null;
  /** @internal */ previous: Deadline | null = null;
  /** @internal */ next: Deadline | null = null;
  /** @internal */ at = 0;

  readonly owner: DeadlineOwner;

  constructor(owner: DeadlineOwner) {
    this.owner = owner;
  }

  /** True while it waits in `queue`. */
  isIn(queue: TimeoutQueue): boolean {
    return this.queue === queue;
  }

  clear(): void {
    this.queue?.remove(this);
  }

  /** @internal */
  expire(queue: TimeoutQueue): void {
    this.owner.onDeadline(queue);
  }
}

export interface DeadlineOwner {
  /** Called once when the time is over; `queue` tells which timeout it was. */
  onDeadline(queue: TimeoutQueue): void;
}

/**
 * All deadlines of one duration, in the order they were set, hence in the order they fall due:
 *
 *     head → d1 ⇄ d2 ⇄ d3 ← tail        set: to the tail, O(1)        tick: look at the head only
 *
 * A proxy sets a timeout several times a request and nearly all are taken back. A timer each would cost more than the
 * request's own work; this costs a few pointer writes. All queues of a thread share one interval, which runs only
 * while something waits.
 */
export class TimeoutQueue {
  /** Milliseconds; 0 switches this timeout off. */
  readonly duration: number;
  readonly #clock: TimeoutClock;
  #head: Deadline | null = null;
  #tail: Deadline | null = null;
  /** Until a tick finds it empty: a queue that is empty and not again many times a second is watched all the while. */
  #isWatched = false;

  constructor(duration: number, clock: TimeoutClock = threadClock) {
    this.duration = duration;
    this.#clock = clock;
  }

  /** Starts the wait for `deadline`, or starts it anew. */
  set(deadline: Deadline): void {
    if (deadline.queue !== null) deadline.queue.remove(deadline);
    if (this.duration === 0) return;
    deadline.queue = this;
    // The clock stands up to a tick behind.
    deadline.at = this.#clock.now + TICK + this.duration;
    deadline.previous = this.#tail;
    if (this.#tail === null) {
      this.#head = deadline;
      if (!this.#isWatched) this.#clock.watch(this);
      this.#isWatched = true;
    } else this.#tail.next = deadline;
    this.#tail = deadline;
  }

  /** Who has waited longest. */
  get oldest(): DeadlineOwner | null {
    return this.#head === null ? null : this.#head.owner;
  }

  remove(deadline: Deadline): void {
    if (deadline.previous === null) this.#head = deadline.next;
    else deadline.previous.next = deadline.next;
    if (deadline.next === null) this.#tail = deadline.previous;
    else deadline.next.previous = deadline.previous;
    deadline.queue = null;
    deadline.previous = null;
    deadline.next = null;
  }

  /** @internal the clock stood still at `before`: nobody knows when what was set then was set, but it was before `now`. */
  postpone(before: number, now: number): void {
    const at = before + TICK + this.duration;
    for (let late = this.#tail; late !== null && late.at === at; late = late.previous) {
      late.at = now + this.duration;
    }
  }

  /** @internal fires what is due; true while something waits. */
  tick(now: number): boolean {
    while (this.#head !== null && this.#head.at <= now) {
      const due = this.#head;
      this.remove(due);
      due.expire(this);
    }
    this.#isWatched = this.#head !== null;
    return this.#isWatched;
  }
}

/** The coarse clock behind timeout queues. `now` moves with the ticks. */
export class TimeoutClock {
  readonly #watched = new Set<TimeoutQueue>();
  readonly #readTime: () => number;
  #interval: NodeJS.Timeout | null = null;
  #now = 0;

  constructor(readTime: () => number = () => performance.now()) {
    this.#readTime = readTime;
  }

  /** Milliseconds of a monotonic clock, as of the last tick. */
  get now(): number {
    if (this.#interval === null) this.#now = this.#readTime();
    return this.#now;
  }

  /** @internal */
  watch(queue: TimeoutQueue): void {
    this.#watched.add(queue);
    if (this.#interval !== null) return;
    this.#now = this.#readTime();
    this.#interval = setInterval(() => this.#wake(), TICK);
    // A pending timeout alone is no reason to stay alive: the sockets it guards are.
    this.#interval.unref();
  }

  /** What came while the loop was held up lies in sockets: it is read first, or it would be taken for what never came. */
  #wake(): void {
    const now = this.#readTime();
    if (now - this.#now > HELD_UP) setImmediate(() => this.advance(this.#readTime()));
    else this.advance(now);
  }

  /** Moves the clock to `now` and fires what is due. */
  advance(now: number): void {
    const before = this.#now;
    this.#now = now;
    // The loop was held up: without this a busy process would take its own slowness for its clients'.
    if (now - before > HELD_UP) for (const queue of this.#watched) queue.postpone(before, now);
    for (const queue of this.#watched) if (!queue.tick(now)) this.#watched.delete(queue);
    if (this.#watched.size > 0 || this.#interval === null) return;
    clearInterval(this.#interval);
    this.#interval = null;
  }
}

/** The clock of this thread. */
export const threadClock: TimeoutClock = new TimeoutClock();
