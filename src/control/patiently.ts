import { within } from "../base/within.ts";
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

const BUSY = "ERR_THREAD_BUSY";

/**
 * Gives an order and waits for the answer, but not for ever: a program may never give its thread back. It does what it was told
 * when it can again, in the order in which it was told.
 * Rejects with an `OrderError`, also when it takes too long.
 */
export function patiently(taker: OrderTaker, order: Order): Promise<unknown> {
  return inTime(taker.order(order), `Thread ${taker.thread}`);
}

/** Waits as long for what threads answer. Rejects with an `OrderError` when it takes too long. */
export function inTime<T>(answer: Promise<T>, who: string = "A thread"): Promise<T> {
  return within(PATIENCE, answer, () => {
    throw new OrderError(`${who} doesn't answer: something keeps it busy`, BUSY);
  });
}

/** True when it only takes too long: it will be done yet. */
export function isBusy(error: unknown): error is OrderError {
  return error instanceof OrderError && error.code === BUSY;
}
