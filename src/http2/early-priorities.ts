import type { Priority } from "./priority.ts";

/**
 * Priorities of streams that aren't opened yet (RFC 9218 §7.1): a frame that tells one may overtake the request. What is kept is
 * bounded by the streams that there may be at once; what is told beyond that is forgotten.
 */
export class EarlyPriorities {
  readonly #byStream = new Map<number, Priority>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#byStream.size;
  }

  note(streamId: number, priority: Priority): void {
    const isRoom = this.#byStream.size < this.#most || this.#byStream.has(streamId);
    if (isRoom) this.#byStream.set(streamId, priority);
  }

  /** What was told of the stream that opens now, null for nothing. Lower ones will never be opened (RFC 9113 §5.1.1). */
  take(streamId: number): Priority | null {
    if (this.#byStream.size === 0) return null;
    const priority = this.#byStream.get(streamId) ?? null;
    for (const id of this.#byStream.keys()) if (id <= streamId) this.#byStream.delete(id);
    return priority;
  }
}
