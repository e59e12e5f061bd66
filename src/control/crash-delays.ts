/** The delay of the second crash in a row: the first has none. Milliseconds, as all here. */
const FIRST = 100;
const LONGEST = 10_000;
/** For a worker that was ready: requests may be what it dies of, and whoever sends them mustn't keep it away by that. */
const LONGEST_WHEN_READY = 400;
/** A worker that lived that long has not crashed because of how it starts. */
const STABLE_AFTER = 10_000;

/** How a worker lived that crashed. */
export interface CrashedLife {
  /** Whether it could have taken connections. */
  readonly isReady: boolean;
  /** Milliseconds. */
  readonly lived: number;
}

/** How long to wait before crashed workers are replaced: longer each time, so that those that never come up cost little. */
export class CrashDelays {
  /** The next ones, by thread. */
  readonly #known = new Map<number, number>();

  /** Milliseconds for the one that has crashed now. */
  next(thread: number, { isReady, lived }: CrashedLife): number {
    const delay = lived > STABLE_AFTER ? 0 : (this.#known.get(thread) ?? 0);
    this.#known.set(thread, delay === 0 ? FIRST : Math.min(delay * 2, LONGEST));
    return isReady ? Math.min(delay, LONGEST_WHEN_READY) : delay;
  }
}
