import { setTimeout as delay } from "node:timers/promises";
import { Http1Asker } from "../life/http1-lane.ts";
import { Tally } from "../life/tally.ts";

/** A request that wasn't answered as it should be. */
export interface Failure {
  /** Milliseconds of this process's clock. */
  readonly at: number;
  readonly lane: Lane;
  /** The thread that its connection belonged to; null: it was a new one, of which nobody knows. */
  readonly thread: string | null;
  readonly message: string;
}

/** `kept` and `plugged` ask one request after the other on a connection, `new` takes another one for each. */
export type Lane = "kept" | "new" | "plugged";

/** Clients of each lane, and their share of the rate. */
const LANES: readonly (readonly [lane: Lane, clients: number, share: number])[] = [
  ["kept", 24, 0.6],
  ["new", 8, 0.2],
  ["plugged", 8, 0.2],
];

const THREAD = /\r\nx-thread: (\d+)\r\n/i;

/** Clients that ask at a steady rate, and note which thread has answered. */
export class Load {
  readonly failures: Failure[] = [];
  answered: number = 0;
  longestWait: number = 0;
  /** Threads that have answered. */
  readonly threads: Set<string> = new Set();
  readonly #tally = new Tally();
  readonly #clients: readonly Promise<void>[];
  #isOver = false;

  /** @param rate requests a second, of all lanes together */
  constructor(ports: { readonly web: number; readonly plugged: number }, rate: number) {
    this.#clients = LANES.flatMap(([lane, clients, share]) => {
      const port = lane === "plugged" ? ports.plugged : ports.web;
      const period = (1_000 * clients) / (rate * share);
      return Array.from({ length: clients }, () => {
        return this.#askAgainAndAgain(lane, new Http1Asker(port, false, lane !== "new", this.#tally), period);
      });
    });
  }

  get connections(): number {
    return this.#tally.connections;
  }

  /** Connections of new clients under way at once: so many of them may be hurt at the most. */
  get newClients(): number {
    return LANES.find(([lane]) => lane === "new")![1];
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
  }

  async #askAgainAndAgain(lane: Lane, asker: Http1Asker, period: number): Promise<void> {
    let thread: string | null = null;
    await delay(Math.random() * period);
    while (!this.#isOver) {
      const began = performance.now();
      try {
        const found = THREAD.exec(await asker.ask())![1]!;
        thread = lane === "new" ? null : found;
        this.answered++;
        this.longestWait = Math.max(this.longestWait, performance.now() - began);
        this.threads.add(found);
      } catch (error) {
        this.failures.push({ at: performance.now(), lane, thread, message: (error as Error).message });
        asker.forget();
        thread = null;
      }
      await delay(Math.max(began + period - performance.now(), 1));
    }
    asker.forget();
  }
}
