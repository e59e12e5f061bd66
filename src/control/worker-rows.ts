import { allocateCounters, Counter, type CounterName, Counters, sumCounters } from "../base/counters.ts";

/** What workers count in, one row each: a row that was given back is lent again, and its sums go on. */
export class WorkerRows {
  /** What the main thread counts. */
  readonly own: Counters;
  readonly memory: SharedArrayBuffer;
  readonly #rows: number;
  readonly #lent = new Set<number>();

  constructor(rows: number) {
    this.#rows = rows;
    this.memory = allocateCounters(rows + 1);
    this.own = new Counters(this.memory, rows);
  }

  /** How many nobody has. */
  get free(): number {
    return this.#rows - this.#lent.size;
  }

  /** @throws RangeError when there is none left */
  lend(): number {
    for (let row = 0; row < this.#rows; row++) {
      if (this.#lent.has(row)) continue;
      this.#lent.add(row);
      return row;
    }
    throw new RangeError("There are too many threads");
  }

  /** Its worker is gone, with all that was under way there. */
  giveBack(row: number): void {
    new Counters(this.memory, row).clearGauges();
    this.#lent.delete(row);
  }

  /** Clients' connections that are open in one worker. */
  connections(row: number): number {
    return new Counters(this.memory, row).get(Counter.connectionsOpen);
  }

  get sums(): Record<CounterName, number> {
    return sumCounters(this.memory, this.#rows + 1);
  }
}
