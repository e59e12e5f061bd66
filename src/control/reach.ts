import type { Order } from "../worker/orders.ts";

/** What means nothing to threads that only finish what they have: they begin nothing, and their routes may be others. */
const FOR_CURRENT: ReadonlySet<Order["do"]> = new Set<Order["do"]>([
  "open",
  "prepare",
  "commit",
  "abandon",
  "keepSessions",
  "listen",
  "httpFaults",
]);

/** Whether an order is for threads of earlier generations too. */
export function reachesEarlier(order: Order): boolean {
  return !FOR_CURRENT.has(order.do);
}
