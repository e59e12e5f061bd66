import type { LoadCounts } from "./messages.ts";

/** Asks again and again, in its own way. */
export interface Asker {
  /** Rejects when it isn't answered as it should be. */
  ask(): Promise<unknown>;
  /** Leaves its connection. */
  forget(): void;
}

const MOST_TOLD = 20;

/** What all clients have seen. */
export class Tally {
  readonly answered: Record<string, number> = {};
  readonly failures: string[] = [];
  failed = 0;
  connections = 0;
  messages = 0;
  cut = 0;
  movedOn = 0;
  longestWait = 0;
  /** Processes that took over. */
  upgrades = 0;

  answer(lane: string, wait: number): void {
    this.answered[lane] = (this.answered[lane] ?? 0) + 1;
    if (wait > this.longestWait) this.longestWait = wait;
  }

  fail(lane: string, error: unknown): void {
    this.failed++;
    const { message } = error as Error;
    if (this.failures.length < MOST_TOLD)
      this.failures.push(`${new Date().toISOString().slice(11, 23)} ${lane}: ${message}`);
  }

  get counts(): LoadCounts {
    const { answered, failed, failures, connections, messages, cut, movedOn, longestWait } = this;
    return { answered, failed, failures, connections, messages, cut, movedOn, longestWait };
  }
}
