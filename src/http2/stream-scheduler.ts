import { isIncremental, type Priority, urgencyOf } from "./priority.ts";

/** What a scheduler keeps in a stream: its place in a ring, so that nothing is allocated to have one wait. */
export interface Scheduled<T> {
  priority: Priority;
  /** The neighbours in the ring; null while it isn't in one. */
  nextScheduled: T | null;
  previousScheduled: T | null;
  /** True once it had a turn: it goes on before others that are to be answered as a whole. */
  hadTurn: boolean;
}

const URGENCIES = 8;

/**
 * Says which of the streams that have something to send, and may send it, has its turn (RFC 9218 §10):
 *
 *     urgency 0:  whole ─▶ a ─▶ b ─▶ c     (one after the other)
 *                 shared ─▶ d ─▶ e ─┐      (each in turn)
 *                            ▲──────┘
 *     …
 *     urgency 7:
 *
 * More urgent ones go first, always. Within an urgency, streams that are no use before they are whole go one after the other in the order
 * in which they came; incremental ones take turns; and the two kinds take turns with each other, so that neither waits for
 * all of the other. Everything is done in constant time.
 */
export class StreamScheduler<T extends Scheduled<T>> {
  readonly #whole: (T | null)[] = new Array(URGENCIES).fill(null);
  readonly #shared: (T | null)[] = new Array(URGENCIES).fill(null);
  /** Bit `1 << urgency` for those that have streams. */
  #waiting = 0;
  /** Bit `1 << urgency` where it is the turn of those that share. */
  #sharedTurn = 0;

  get isEmpty(): boolean {
    return this.#waiting === 0;
  }

  /** `stream` has something to send. Does nothing if that is known. */
  add(stream: T): void {
    if (stream.nextScheduled !== null) return;
    const urgency = urgencyOf(stream.priority);
    this.#waiting |= 1 << urgency;
    if (isIncremental(stream.priority)) {
      this.#shared[urgency] = insert(this.#shared[urgency]!, stream, false);
    } else {
      this.#whole[urgency] = insert(this.#whole[urgency]!, stream, stream.hadTurn);
    }
  }

  /** `stream` has nothing to send for now, or may not. */
  remove(stream: T): void {
    if (stream.nextScheduled === null) return;
    const urgency = urgencyOf(stream.priority);
    const rings = isIncremental(stream.priority) ? this.#shared : this.#whole;
    rings[urgency] = unlink(rings[urgency]!, stream);
    if (this.#whole[urgency] === null && this.#shared[urgency] === null) this.#waiting &= ~(1 << urgency);
  }

  /** Whose turn it is; null when nobody has anything to send. It stays so until `turnTaken` or `remove`. */
  next(): T | null {
    if (this.#waiting === 0) return null;
    const urgency = 31 - Math.clz32(this.#waiting & -this.#waiting);
    const whole = this.#whole[urgency]!;
    const shared = this.#shared[urgency]!;
    if (whole === null) return shared;
    return shared !== null && (this.#sharedTurn & (1 << urgency)) !== 0 ? shared : whole;
  }

  /** `stream`, which `next` returned, has sent a frame, whether it has more or not. */
  turnTaken(stream: T): void {
    stream.hadTurn = true;
    const urgency = urgencyOf(stream.priority);
    if (isIncremental(stream.priority)) {
      this.#sharedTurn &= ~(1 << urgency);
      if (this.#shared[urgency] === stream) this.#shared[urgency] = stream.nextScheduled;
    } else {
      this.#sharedTurn |= 1 << urgency;
    }
  }

  /** Gives `stream` another priority, whether it has something to send or not. */
  setPriority(stream: T, priority: Priority): void {
    const isWaiting = stream.nextScheduled !== null;
    if (isWaiting) this.remove(stream);
    stream.priority = priority;
    if (isWaiting) this.add(stream);
  }
}

/** Puts `stream` at one end of a ring; returns the ring's first. */
function insert<T extends Scheduled<T>>(first: T | null, stream: T, isFirst: boolean): T {
  if (first === null) {
    stream.nextScheduled = stream;
    stream.previousScheduled = stream;
    return stream;
  }
  const last = first.previousScheduled!;
  stream.nextScheduled = first;
  stream.previousScheduled = last;
  last.nextScheduled = stream;
  first.previousScheduled = stream;
  return isFirst ? stream : first;
}

/** Takes `stream` out; returns the ring's first, null when nobody is left. */
function unlink<T extends Scheduled<T>>(first: T | null, stream: T): T | null {
  const next = stream.nextScheduled!;
  const previous = stream.previousScheduled!;
  stream.nextScheduled = null;
  stream.previousScheduled = null;
  if (next === stream) return null;
  previous.nextScheduled = next;
  next.previousScheduled = previous;
  return first === stream ? next : first;
}
