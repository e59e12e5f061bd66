import type { Order } from "../worker/orders.ts";
import { OrderError } from "./planes.ts";

/** A thread, for whoever gives it orders. */
export interface OrderTaker {
  /** From 0. */
  readonly thread: number;
  order(order: Order): Promise<unknown>;
}

/** Milliseconds that a thread is waited for: whatever it has to do takes a fraction of that. */
const PATIENCE = 30_000;

/**
 * Gives an order and waits for the answer, but not for ever: a program may never give its thread back. It does what it was told
 * when it can again, in the order in which it was told.
 * Rejects with an `OrderError`, also when it takes too long.
 */
export async function patiently(taker: OrderTaker, order: Order): Promise<unknown> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const error = new OrderError(
    `Thread ${taker.thread} doesn't answer: something keeps it busy`,
    "ERR_THREAD_BUSY",
  );
  const timer = setTimeout(reject, PATIENCE, error);
  try {
    return await Promise.race([taker.order(order), late]);
  } finally {
    clearTimeout(timer);
  }
}
