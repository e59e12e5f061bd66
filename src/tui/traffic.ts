/** Samples that the rate is an average of, so that a number can be read before it changes. */
const AVERAGED = 4;

/** How many bytes a second passed lately. */
export class Traffic {
  readonly #rates: number[] = [];
  readonly #kept: number;

  /** @param kept how many samples are remembered */
  constructor(kept: number) {
    this.#kept = kept;
  }

  /** Takes what passed within the last `elapsed` milliseconds. */
  add(bytes: number, elapsed: number): void {
    if (elapsed <= 0) return;
    this.#rates.push((Math.max(bytes, 0) * 1000) / elapsed);
    if (this.#rates.length > this.#kept) this.#rates.shift();
  }

  /** Bytes a second, oldest first; changes with the next sample. */
  get history(): readonly number[] {
    return this.#rates;
  }

  /** Bytes a second, on average of the last samples. */
  get rate(): number {
    const last = this.#rates.slice(-AVERAGED);
    return last.length === 0 ? 0 : last.reduce((sum, rate) => sum + rate, 0) / last.length;
  }
}
