// Run as a process of its own, with a ClientTask as its argument: makes all the requests and checks the answers.

import { Lane, type LaneOwner } from "./lane.ts";
import { Ledger } from "./ledger.ts";
import { type ClientTask, readTask, tell, tellEvery } from "./messages.ts";
import { Planner } from "./plan.ts";
import { Random } from "./random.ts";

/** Milliseconds after which a request counts as one that hangs. */
const patience = 30_000;

class Client implements LaneOwner {
  readonly port: number;
  readonly ledger: Ledger = new Ledger((text) => tell({ type: "violation", text: `client: ${text}` }));
  remaining: number;
  readonly #lanes: Lane[];
  readonly #working: Set<Lane>;
  readonly #hanging = new Set<Lane>();
  readonly #watch: NodeJS.Timeout;

  constructor({ port, requests, connections, seed }: ClientTask) {
    this.port = port;
    this.remaining = requests;
    let lastId = 0;
    const ids = { next: () => ++lastId };
    this.#lanes = Array.from(
      { length: connections },
      (_, i) => new Lane(this, new Planner(new Random(seed * 65_537 + i), ids)),
    );
    this.#working = new Set(this.#lanes);
    this.#watch = setInterval(() => this.#look(), tellEvery);
  }

  start(): void {
    for (const lane of this.#lanes) lane.go();
  }

  onIdle(lane: Lane): void {
    this.#working.delete(lane);
    if (this.#working.size > 0) return;
    clearInterval(this.#watch);
    this.#look();
    tell({ type: "done" });
  }

  #look(): void {
    let longestWait = 0;
    for (const lane of this.#lanes) {
      longestWait = Math.max(longestWait, lane.waiting);
      if (lane.waiting > patience) this.#complain(lane);
      else this.#hanging.delete(lane);
    }
    const open = this.#lanes.filter((lane) => lane.isOpen).length;
    tell({ type: "client", counts: this.ledger.counts, open, longestWait });
  }

  #complain(lane: Lane): void {
    if (this.#hanging.has(lane)) return;
    this.#hanging.add(lane);
    this.ledger.violation("a request hangs", lane.current ?? null);
    lane.giveUp();
  }
}

process.on("disconnect", () => process.exit());
new Client(readTask<ClientTask>()).start();
