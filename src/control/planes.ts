import type { StreamEvent } from "../proxy/stream-proxy.ts";
import type { Order } from "../worker/orders.ts";

/** The threads of the data plane, for whoever gives them orders. */
export interface Planes {
  /**
   * Gives the order to the first thread alone.
   * Rejects with an `OrderError` when it couldn't do it.
   */
  orderFirst(order: Order): Promise<unknown>;
  /** Gives the order to all other threads; answers in the order of the threads. */
  orderOthers(order: Order): Promise<unknown[]>;
  /** Sockets that a proxy listened on are closed for good. */
  release(owner: string): Promise<void>;
  /** Hears of what happens; `dropped` more events were too many to tell. */
  onEvents: ((events: readonly StreamEvent[], dropped: number) => void) | null;
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
