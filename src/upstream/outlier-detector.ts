import {
  type GroupMemory,
  GroupWord,
  OwnCount,
  ServerCount,
  ServerNumber,
  ServerWord,
} from "./group-memory.ts";
import type { OutlierSettings } from "./group-settings.ts";

/** How many of so many servers may be ejected at once: of two or more always one, of one never. */
export function mostEjected(servers: number, share: number): number {
  if (servers < 2) return 0;
  return Math.min(Math.max(Math.floor(servers * share), 1), servers - 1);
}

/** How long a server is out for the n-th time in a row, milliseconds. */
export function ejectionTime({ ejection, longestEjection }: OutlierSettings, n: number): number {
  return Math.min(ejection * n, longestEjection);
}

/**
 * Takes out servers that fail requests. Every thread has one; what they have seen stands in the group's memory, so that
 * five failures are five whichever threads saw them, and one thread alone ejects.
 *
 * A success costs one look at a word, as long as nothing is wrong. For the share of failures nothing is counted that isn't
 * counted anyway: a window begins with a failure, and notes how much there was before.
 *
 *     requests  ✓ ✓ ✓ ✓ ✗ ✓ ✓ ✗ ✗ ✓ ✗
 *                      └ window begins: 4 judged before, 1 failure …    each further failure looks: 4 of 7 …
 */
export class OutlierDetector {
  readonly #settings: OutlierSettings;
  readonly #memory: GroupMemory;

  constructor(settings: OutlierSettings, memory: GroupMemory) {
    this.#settings = settings;
    this.#memory = memory;
  }

  /** Whether a response of this status is a failure. */
  isFailure(status: number): boolean {
    const { statuses } = this.#settings;
    for (let i = 0; i < statuses.length; i++)
      if (status >= statuses[i]!.first && status <= statuses[i]!.last) return true;
    return false;
  }

  onSuccess(slot: number): void {
    if (this.#memory.of(slot, ServerWord.Failures) !== 0) this.#memory.set(slot, ServerWord.Failures, 0);
  }

  /** @param now milliseconds of the clock that all threads share */
  onFailure(slot: number, now: number): void {
    const inARow = this.#memory.addTo(slot, ServerWord.Failures, 1) + 1;
    const percent = this.#settings.ratio > 0 ? this.#percentFailed(slot, now) : 0;
    const { consecutive, ratio } = this.#settings;
    if (consecutive > 0 && inARow >= consecutive) this.#eject(slot, now, inARow);
    else if (ratio > 0 && percent >= ratio * 100) this.#eject(slot, now, -percent);
  }

  /** Of the requests in the window, this failure included; 0 while they are too few. */
  #percentFailed(slot: number, now: number): number {
    const judged = this.#memory.total(slot, OwnCount.Judged);
    const start = this.#memory.number(slot, ServerNumber.WindowStart);
    if (start === 0 || now - start > this.#settings.window) {
      this.#memory.setNumber(slot, ServerNumber.WindowStart, now);
      this.#memory.set(slot, ServerWord.WindowBase, (judged - 1) | 0);
      this.#memory.set(slot, ServerWord.WindowFailures, 0);
    }
    const failed = this.#memory.addTo(slot, ServerWord.WindowFailures, 1) + 1;
    const requests = (judged - this.#memory.of(slot, ServerWord.WindowBase)) | 0;
    return requests < this.#settings.minimumRequests ? 0 : (failed / requests) * 100;
  }

  /**
   * The order matters: room is reserved before, and end and cause are known before anybody can see that the server is out. A
   * thread that comes second writes the same end, for it asked how often there had been one before it saw none.
   */
  #eject(slot: number, now: number, cause: number): void {
    const memory = this.#memory;
    const n = memory.of(slot, ServerWord.Ejections) + 1;
    if (memory.of(slot, ServerWord.Out) !== 0) return;
    const most = mostEjected(memory.get(GroupWord.Servers), this.#settings.mostEjected);
    if (!memory.addUpTo(GroupWord.Ejected, most)) return;
    memory.setNumber(slot, ServerNumber.EjectedUntil, now + ejectionTime(this.#settings, n));
    memory.set(slot, ServerWord.Cause, Math.round(cause));
    if (!memory.eject(slot)) {
      memory.add(GroupWord.Ejected, -1);
      return;
    }
    memory.set(slot, ServerWord.Ejections, n);
    memory.count(slot, ServerCount.ejections);
  }
}
