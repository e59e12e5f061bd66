import { type CacheEntry, EntryState, type EntryWriter, type WriterOwner } from "../store.ts";

/** What is done about older entries of the key, which must not come back when the newer one goes. */
export interface OlderEntries {
  dropAbove(): void;
  dropBelow(): void;
}

/**
 * Writes into two stores. Readers have the upper one's entry, so that its failure is the failure of all; without the lower one it goes
 * on.
 */
export class TieredWriter implements EntryWriter {
  readonly upperOwner: WriterOwner;
  readonly lowerOwner: WriterOwner;
  readonly #older: OlderEntries;
  readonly #owner: WriterOwner;
  #upper: EntryWriter | null = null;
  #lower: EntryWriter | null = null;
  /** Of the two, those that are waited for. */
  #isUpperFull = false;
  #isLowerFull = false;
  #isOver = false;

  constructor(older: OlderEntries, owner: WriterOwner) {
    this.#older = older;
    this.#owner = owner;
    this.upperOwner = {
      onDrain: () => this.#drain(true),
      onFailure: (error) => this.#failAbove(error),
    };
    this.lowerOwner = {
      onDrain: () => this.#drain(false),
      onFailure: (error) => this.#failBelow(error),
    };
  }

  /** @returns whether there is anything to write to */
  begin(upper: EntryWriter | null, lower: EntryWriter | null): boolean {
    this.#upper = upper;
    this.#lower = lower;
    return upper !== null || lower !== null;
  }

  open(): CacheEntry | null {
    return (this.#upper ?? this.#lower)?.open() ?? null;
  }

  write(bytes: Buffer, start: number, end: number): boolean {
    if (this.#upper !== null) this.#isUpperFull = !this.#upper.write(bytes, start, end);
    if (this.#lower !== null) this.#isLowerFull = !this.#lower.write(bytes, start, end);
    return !this.#isUpperFull && !this.#isLowerFull;
  }

  /** Found as a whole it is where it is found first. */
  finish(): void | Promise<void> {
    this.#isOver = true;
    if (this.#upper === null) return this.#finishBelow();
    const above = this.#upper.finish();
    this.#lower?.finish();
    if (this.#lower === null) this.#older.dropBelow();
    return above;
  }

  abort(): void {
    this.#isOver = true;
    this.#upper?.abort();
    this.#lower?.abort();
  }

  /** What is above is older, from the moment at which the new one is complete below, and before anybody is told of that. */
  #finishBelow(): void | Promise<void> {
    const entry = this.#lower?.open() ?? null;
    const end = (): void => {
      if (entry === null || entry.state === EntryState.Complete) this.#older.dropAbove();
      entry?.release();
    };
    const done = this.#lower?.finish();
    if (done instanceof Promise) return done.then(end);
    end();
  }

  #drain(isUpper: boolean): void {
    if (isUpper) this.#isUpperFull = false;
    else this.#isLowerFull = false;
    if (!this.#isOver && !this.#isUpperFull && !this.#isLowerFull) this.#owner.onDrain();
  }

  #failAbove(error: Error): void {
    this.#upper = null;
    this.#lower?.abort();
    this.#lower = null;
    this.#owner.onFailure(error);
  }

  /** It stands above alone, and what is below is older. */
  #failBelow(error: Error): void {
    const isAlone = this.#upper === null;
    this.#lower = null;
    if (isAlone) {
      this.#owner.onFailure(error);
    } else {
      this.#older.dropBelow();
      this.#drain(false);
    }
  }
}
