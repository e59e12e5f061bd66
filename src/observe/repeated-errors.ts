import { Deadline, type DeadlineOwner, TimeoutQueue } from "../base/timeouts.ts";

/** Between two words about the same trouble, milliseconds. */
const PAUSE = 60_000;
/** Troubles that are kept apart at once. */
const LIMIT = 256;

/**
 * Keeps what happens again and again from filling a log: the first time is told at once, what follows is counted, and once
 * a minute that number is told. Trouble that hasn't come again for a minute is news the next time.
 *
 *     told ─ counted ─ counted ─ … ─ a minute ─▶ "and n more" ─ counted … ─ a minute without ─▶ forgotten
 */
export class RepeatedErrors {
  readonly #onMore: (key: string, times: number) => void;
  readonly #pause: TimeoutQueue;
  /** The oldest comes first. */
  readonly #known = new Map<string, Repeated>();

  /** @param onMore told how often `key` came again since it was told last */
  constructor(onMore: (key: string, times: number) => void, pause: TimeoutQueue = new TimeoutQueue(PAUSE)) {
    this.#onMore = onMore;
    this.#pause = pause;
  }

  /** Whether this has to be told; otherwise it is counted. */
  isNews(key: string): boolean {
    const known = this.#known.get(key);
    if (known !== undefined) {
      known.times++;
      return false;
    }
    if (this.#known.size >= LIMIT) this.#forget(this.#known.values().next().value!);
    const fresh = new Repeated(key, (repeated) => this.#onPause(repeated));
    this.#known.set(key, fresh);
    this.#pause.set(fresh.deadline);
    return true;
  }

  #onPause(repeated: Repeated): void {
    if (repeated.times === 0) {
      this.#forget(repeated);
      return;
    }
    this.#tell(repeated);
    this.#pause.set(repeated.deadline);
  }

  #forget(repeated: Repeated): void {
    this.#known.delete(repeated.key);
    repeated.deadline.clear();
    if (repeated.times > 0) this.#tell(repeated);
  }

  #tell(repeated: Repeated): void {
    const { key, times } = repeated;
    repeated.times = 0;
    this.#onMore(key, times);
  }
}

class Repeated implements DeadlineOwner {
  readonly key: string;
  readonly deadline: Deadline = new Deadline(this);
  /** Since it was told last. */
  times = 0;
  readonly #onPause: (repeated: Repeated) => void;

  constructor(key: string, onPause: (repeated: Repeated) => void) {
    this.key = key;
    this.#onPause = onPause;
  }

  onDeadline(): void {
    this.#onPause(this);
  }
}
