import type { StreamEvent } from "../proxy/stream-proxy.ts";
import { printable } from "./units.ts";

/** A line of the log: something that happened, or something that was done here. */
export interface LogLine {
  readonly kind: StreamEvent["kind"] | "done" | "failed";
  readonly proxy: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly client: string;
  readonly detail: string;
}

/** More than any screen shows. */
const KEPT = 200;

/** The last things that happened. */
export class EventLog {
  readonly #now: () => number;
  #lines: readonly LogLine[] = [];
  /** What came since the lines were looked at: a storm of events must not make a copy of the log for each. */
  #added: LogLine[] = [];

  /** @param now milliseconds since 1970 */
  constructor(now: () => number) {
    this.#now = now;
  }

  add({ kind, proxy, time, client, detail }: StreamEvent): void {
    this.#append({ kind, proxy, time, client: printable(client), detail: printable(detail) });
  }

  /** Something was done from here. */
  done(proxy: string, what: string): void {
    this.#append({ kind: "done", proxy, time: this.#now(), client: "", detail: printable(what) });
  }

  failed(proxy: string, what: string): void {
    this.#append({ kind: "failed", proxy, time: this.#now(), client: "", detail: printable(what) });
  }

  /** Oldest first; the same list until there is more. */
  get lines(): readonly LogLine[] {
    if (this.#added.length > 0) {
      this.#lines = [...this.#lines, ...this.#added].slice(-KEPT);
      this.#added = [];
    }
    return this.#lines;
  }

  #append(line: LogLine): void {
    this.#added.push(line);
    if (this.#added.length > 2 * KEPT) this.#added = this.#added.slice(-KEPT);
  }
}
