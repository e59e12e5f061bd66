import type { Planes } from "../../src/control/planes.ts";
import type { Order } from "../../src/worker/orders.ts";

/** Threads on paper: what they are told is written down. */
export class PaperPlanes implements Planes {
  onEvents: Planes["onEvents"] = null;
  readonly orders: Order[] = [];
  /** Those that never get an answer. */
  unanswered: ReadonlySet<Order["do"]> = new Set();
  readonly #late: ((answer: unknown) => void)[] = [];
  #port = 5_000;

  /** Threads answer what they haven't yet. */
  catchUp(): void {
    for (const answer of this.#late.splice(0)) answer(null);
  }

  async orderFirst(order: Order): Promise<unknown> {
    this.orders.push(order);
    if (this.unanswered.has(order.do)) return await new Promise((resolve) => this.#late.push(resolve));
    if (order.do === "httpFaults") return [{ name: "slow", route: "r", enabled: true, hits: 0 }];
    return order.do === "open" ? order.settings.listen.replace(/:0$/, () => `:${++this.#port}`) : null;
  }

  async orderOthers(): Promise<unknown[]> {
    return [];
  }

  readonly released: string[] = [];

  async release(owner: string): Promise<void> {
    this.released.push(owner);
  }

  /** What was told since it was asked last, in short. */
  get told(): string[] {
    return this.orders.splice(0).map((order) => {
      if (order.do === "addToxic") return `+${order.toxic.name} ${order.proxy}`;
      if (order.do === "removeToxic") return `-${order.toxic} ${order.proxy}`;
      return order.do === "setMode" ? `${order.mode.kind} ${order.proxy}` : order.do;
    });
  }
}
