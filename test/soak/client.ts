// Run as a process of its own, with a ClientTask as its argument: makes all the requests and checks the answers.

import { type AnyLane, Lane, type LaneOwner } from "./lane.ts";
import { Ledger } from "./ledger.ts";
import { type ClientTask, readTask, tell, tellEvery } from "./messages.ts";
import { Planner } from "./plan.ts";
import { Random } from "./random.ts";
import { SharedConnection, StreamLane } from "./stream-lane.ts";
import type { Identity } from "./wires.ts";

/** Milliseconds after which a request counts as one that hangs. */
const patience = 30_000;
/** Clients of HTTP/2 that share a connection. */
const lanesOfConnection = 16;

class Client implements LaneOwner {
  readonly port: number;
  readonly tls: Identity | null;
  readonly ledger: Ledger = new Ledger((text) => tell({ type: "violation", text: `client: ${text}` }));
  remaining: number;
  readonly #lanes: readonly AnyLane[];
  readonly #working: Set<AnyLane>;
  readonly #hanging = new Set<AnyLane>();
  readonly #watch: NodeJS.Timeout;

  constructor({ port, requests, connections, seed, http2, tls }: ClientTask) {
    this.port = port;
    this.tls = tls;
    this.remaining = requests;
    let lastId = 0;
    const ids = { next: () => ++lastId };
    const shared = Array.from(
      { length: http2 ? Math.ceil(connections / lanesOfConnection) : 0 },
      (_, i) => new SharedConnection(this, new Random(seed * 257 + i)),
    );
    this.#lanes = Array.from({ length: connections }, (_, i) => {
      const planner = new Planner(new Random(seed * 65_537 + i), ids);
      return http2 ? new StreamLane(this, planner, shared[i % shared.length]!) : new Lane(this, planner);
    });
    this.#working = new Set(this.#lanes);
    this.#watch = setInterval(() => this.#look(), tellEvery);
  }

  start(): void {
    for (const lane of this.#lanes) lane.go();
  }

  onIdle(lane: AnyLane): void {
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

  #complain(lane: AnyLane): void {
    if (this.#hanging.has(lane)) return;
    this.#hanging.add(lane);
    this.ledger.violation("a request hangs", lane.current ?? null);
    lane.giveUp();
  }
}

process.on("disconnect", () => process.exit());
new Client(readTask<ClientTask>()).start();
