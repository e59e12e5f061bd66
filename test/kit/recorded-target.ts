import type { ToxicChange } from "../../src/chaos/faults.ts";
import type { Mode } from "../../src/chaos/mode.ts";
import type { ToxicSettings } from "../../src/chaos/toxic.ts";
import type { ScenarioTarget } from "../../src/control/scenario-target.ts";
import type { ProxyChange, ProxyInit, ProxyState } from "../../src/control/steering.ts";

/** Passes orders on, and notes each in one line with the time at which it came: `5000 db mode latency`. */
export class RecordedTarget implements ScenarioTarget {
  readonly orders: string[] = [];
  /** Called before an order is passed on: what it throws, the order fails with. */
  beforeOrder: (order: string) => void | Promise<void> = () => {};
  readonly #target: ScenarioTarget;
  readonly #now: () => number;

  constructor(target: ScenarioTarget, now: () => number) {
    this.#target = target;
    this.#now = now;
  }

  list(): readonly ProxyState[] | Promise<readonly ProxyState[]> {
    return this.#target.list();
  }

  get(name: string): ProxyState | Promise<ProxyState> {
    return this.#target.get(name);
  }

  async create(init: ProxyInit): Promise<ProxyState> {
    await this.#note(init.name, "create");
    return await this.#target.create(init);
  }

  async update(name: string, change: ProxyChange): Promise<ProxyState> {
    await this.#note(name, "update", change);
    return await this.#target.update(name, change);
  }

  async remove(name: string): Promise<void> {
    await this.#note(name, "remove");
    await this.#target.remove(name);
  }

  async addToxic(proxy: string, toxic: ToxicSettings): Promise<ToxicSettings> {
    const { name, toxicity, attributes } = toxic;
    await this.#note(proxy, `+${name}`, { ...attributes, ...(toxicity === 1 ? {} : { toxicity }) });
    return await this.#target.addToxic(proxy, toxic);
  }

  async updateToxic(proxy: string, toxic: string, change: ToxicChange): Promise<ToxicSettings> {
    const { attributes, ...rest } = change;
    await this.#note(proxy, toxic, { ...attributes, ...rest });
    return await this.#target.updateToxic(proxy, toxic, change);
  }

  async removeToxic(proxy: string, toxic: string): Promise<void> {
    await this.#note(proxy, `-${toxic}`);
    await this.#target.removeToxic(proxy, toxic);
  }

  async setMode(proxy: string, mode: Mode): Promise<void> {
    await this.#note(proxy, `mode ${mode.kind}`);
    await this.#target.setMode(proxy, mode);
  }

  async cut(proxy: string, connection?: string): Promise<void> {
    await this.#note(proxy, "cut");
    await this.#target.cut(proxy, connection);
  }

  async #note(proxy: string, what: string, facts: object = {}): Promise<void> {
    const told = Object.entries(facts).map(([name, value]) => `${name}=${value}`);
    const order = [proxy, what, ...told].join(" ");
    this.orders.push(`${this.#now()} ${order}`);
    await this.beforeOrder(order);
  }
}
