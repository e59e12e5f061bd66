import type { Order } from "../worker/orders.ts";
import type { SharedMemory } from "../worker/shared-memory.ts";

/** What means nothing to threads that only finish what they have: they begin nothing, and their routes may be others. */
const FOR_CURRENT: ReadonlySet<Order["do"]> = new Set<Order["do"]>([
  "open",
  "prepare",
  "commit",
  "abandon",
  "keepSessions",
  "listen",
  "ping",
  "httpFaults",
]);

type Groups = Pick<SharedMemory, "groups">;

/** Whether an order is for threads of an earlier generation too. */
export function reachesEarlier(order: Order, earlier: Groups, current: Groups): boolean {
  // In other memory servers have other places: there they stay those that there were.
  if (order.do === "setServers")
    return earlier.groups.get(order.upstream) === current.groups.get(order.upstream);
  return !FOR_CURRENT.has(order.do);
}
