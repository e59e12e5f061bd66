/** Something that is being fetched for a cache. */
export interface OpenFill {
  /** Nobody wants it any more. */
  giveUp(): void;
}

/**
 * What is being fetched for caches, whether anybody here waits for it or not: clients of other threads may, or read along what has come of it,
 * and would be cut off if this one ended.
 */
export class OpenFills {
  readonly #open = new Set<OpenFill>();
  #onNone: (() => void) | null = null;
  #none: Promise<void> | null = null;

  add(fill: OpenFill): void {
    this.#open.add(fill);
  }

  delete(fill: OpenFill): void {
    this.#open.delete(fill);
    if (this.#open.size > 0) return;
    this.#onNone?.();
    this.#onNone = null;
    this.#none = null;
  }

  /** Kept when there is none. */
  done(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    this.#none ??= new Promise((resolve) => {
      this.#onNone = resolve;
    });
    return this.#none;
  }

  giveUp(): void {
    for (const fill of this.#open) fill.giveUp();
  }
}
