import type { CounterName } from "../base/counters.ts";
import type { StreamEvent } from "../proxy/stream-proxy.ts";
import type { Order, Standing } from "../worker/orders.ts";

/** The threads of the data plane, for whoever gives them orders. */
export interface Planes {
  /**
   * Gives the order to the first thread alone. When it is gone the answer is undefined.
   * Rejects with an `OrderError` when it couldn't do it.
   */
  orderFirst(order: Order): Promise<unknown>;
  /** Gives the order to all other threads; answers in the order of the threads. A thread that is gone has none. */
  orderOthers(order: Order): Promise<unknown[]>;
  /** Sockets that a proxy listened on are closed for good. */
  release(owner: string): Promise<void>;
  /** Hears of what happens; `dropped` more events were too many to tell. */
  onEvents: ((events: readonly StreamEvent[], dropped: number) => void) | null;
}

/** The data plane, wherever it runs. */
export interface Engine extends Planes {
  /** What a thread that starts is told to begin with. */
  standing: () => Standing;
  readonly counters: Record<CounterName, number>;
  start(): Promise<readonly string[]>;
  drain(grace: number): Promise<void>;
  stop(): Promise<void>;
}

/** An order that a thread couldn't do. */
export class OrderError extends Error {
  /** Node's code, "" for none. */
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.name = "OrderError";
    this.code = code;
  }
}

/**
 * What becomes of an order when its thread has crashed: the one that replaces it begins with what stands by then, so that
 * there is nothing to do. Only where a proxy listens has to be known now. Rejects when that is what was asked.
 */
export async function answerGone(order: Order): Promise<undefined> {
  if (order.do === "open")
    throw new OrderError("A thread crashed and is being replaced: try again", "ERR_THREAD_GONE");
}
