import { isDeepStrictEqual } from "node:util";
import type { Attributes, AttributeValue } from "../chaos/attributes.ts";
import type { ToxicChange } from "../chaos/faults.ts";
import type { Mode } from "../chaos/mode.ts";
import { completeAttributes, type ToxicRegistry } from "../chaos/registry.ts";
import type { ToxicSettings } from "../chaos/toxic.ts";
import type { ScenarioTarget } from "./scenario-target.ts";

/*
 *   what the play found     layers, in the order in which they came       what has to hold
 *
 *      mode: allow      ◀── latency 100, till 10s ◀── throttle 10k, till 15s     ──▶  throttle 10k
 *
 * Undoing lifts a layer wherever it lies: at 10s nothing is seen of it, at 15s `allow` is back. So it makes no
 * difference which of two steps that overlap ends first.
 */

/** What a step makes of a value. It may depend on what it finds, and may change what it makes while it lies. */
export interface Layer<T> {
  over(below: T): T;
}

/** Carries out a change; tells `reached` how far it came, for there may be several orders to give. */
type Writer<T> = (from: T, to: T, reached: (value: T) => void) => Promise<void>;

/** One thing about one proxy, with what a play has laid on it. */
export class Stack<T> {
  readonly proxy: string;
  /** For people: `mode`, `toxic slow`. */
  readonly label: string;
  readonly #base: T;
  readonly #write: Writer<T>;
  readonly #layers: Layer<T>[] = [];
  #actual: T;

  constructor(proxy: string, label: string, base: T, write: Writer<T>) {
    this.proxy = proxy;
    this.label = label;
    this.#base = base;
    this.#actual = base;
    this.#write = write;
  }

  /** What has to hold. */
  get wanted(): T {
    return this.#layers.reduce((below, layer) => layer.over(below), this.#base);
  }

  /** What would have to hold if nothing lay on a layer. */
  upTo(layer: Layer<T>): T {
    const layers = this.#layers.slice(0, this.#layers.indexOf(layer) + 1);
    return layers.reduce((below, one) => one.over(below), this.#base);
  }

  /** What holds by all that is known. */
  get actual(): T {
    return this.#actual;
  }

  /** True when nothing is left of the play: then what the proxy is found with counts anew. */
  get isIdle(): boolean {
    return this.#layers.length === 0 && isDeepStrictEqual(this.#actual, this.#base);
  }

  /** Lays a layer on top. When that can't be carried out, it doesn't lie there. */
  async lay(layer: Layer<T>): Promise<void> {
    this.#layers.push(layer);
    try {
      await this.settle();
    } catch (error) {
      this.lift(layer);
      throw error;
    }
  }

  /** Takes a layer away; `settle` carries it out. */
  lift(layer: Layer<T>): void {
    const place = this.#layers.indexOf(layer);
    if (place !== -1) this.#layers.splice(place, 1);
  }

  liftAll(): void {
    this.#layers.length = 0;
  }

  /** Makes what holds what has to hold. True when there was something to do. */
  async settle(): Promise<boolean> {
    const { wanted } = this;
    if (isDeepStrictEqual(this.#actual, wanted)) return false;
    await this.#write(this.#actual, wanted, (value) => {
      this.#actual = value;
    });
    return true;
  }
}

/** Any stack, for whoever only undoes it. */
export type AnyStack = Pick<Stack<never>, "proxy" | "label" | "isIdle" | "liftAll" | "settle">;

/** Everything that a play has changed. */
export class Overrides {
  readonly #target: ScenarioTarget;
  readonly #registry: ToxicRegistry;
  readonly #modes = new Map<string, Stack<Mode>>();
  readonly #enabled = new Map<string, Stack<boolean>>();
  readonly #toxics = new Map<string, Stack<ToxicSettings | null>>();
  /** All of them, in the order in which they were changed. */
  readonly #order = new Set<AnyStack>();

  constructor(target: ScenarioTarget, registry: ToxicRegistry) {
    this.#target = target;
    this.#registry = registry;
  }

  /** What is changed now, what was changed last first. */
  get stacks(): AnyStack[] {
    return [...this.#order].filter(({ isIdle }) => !isIdle).reverse();
  }

  mode(proxy: string): Promise<Stack<Mode>> {
    return this.#known(this.#modes, proxy, async () => {
      const { mode } = await this.#target.get(proxy);
      return new Stack<Mode>(proxy, "mode", mode, async (_from, to, reached) => {
        await this.#target.setMode(proxy, to);
        reached(to);
      });
    });
  }

  enabled(proxy: string): Promise<Stack<boolean>> {
    return this.#known(this.#enabled, proxy, async () => {
      const { enabled } = await this.#target.get(proxy);
      return new Stack<boolean>(proxy, "enabled", enabled, async (_from, to, reached) => {
        await this.#target.update(proxy, { enabled: to });
        reached(to);
      });
    });
  }

  /** A toxic by name; null while there is none. */
  toxic(proxy: string, name: string): Promise<Stack<ToxicSettings | null>> {
    return this.#known(this.#toxics, JSON.stringify([proxy, name]), async () => {
      const { toxics } = await this.#target.get(proxy);
      const found = toxics.find((toxic) => toxic.name === name);
      const base = found === undefined ? null : this.#complete(found);
      return new Stack<ToxicSettings | null>(proxy, `toxic ${name}`, base, (from, to, reached) =>
        this.#writeToxic(proxy, from, to, reached),
      );
    });
  }

  /** With the defaults of what isn't told, so that it can be brought back. What the registry doesn't know stays too. */
  #complete(toxic: ToxicSettings): ToxicSettings {
    const type = this.#registry.get(toxic.type);
    if (type === undefined) return toxic;
    return { ...toxic, attributes: { ...completeAttributes(type, toxic.attributes), ...toxic.attributes } };
  }

  async #writeToxic(
    proxy: string,
    from: ToxicSettings | null,
    to: ToxicSettings | null,
    reached: (value: ToxicSettings | null) => void,
  ): Promise<void> {
    const isSame = from !== null && to !== null && from.type === to.type && from.stream === to.stream;
    if (isSame) {
      const change = changeBetween(from, to);
      if (Object.keys(change).length > 0) await this.#target.updateToxic(proxy, to.name, change);
      reached(to);
      return;
    }
    if (from !== null) {
      await this.#target.removeToxic(proxy, from.name);
      reached(null);
    }
    if (to !== null) reached(this.#complete(await this.#target.addToxic(proxy, to)));
  }

  /** A proxy is asked anew once nothing of the play is left on it: others may have changed it meanwhile. */
  async #known<T>(
    stacks: Map<string, Stack<T>>,
    key: string,
    read: () => Promise<Stack<T>>,
  ): Promise<Stack<T>> {
    const stack = stacks.get(key);
    if (stack !== undefined && !stack.isIdle) return stack;
    if (stack !== undefined) this.#order.delete(stack);
    const fresh = await read();
    stacks.set(key, fresh);
    this.#order.add(fresh);
    return fresh;
  }
}

function changeBetween(from: ToxicSettings, to: ToxicSettings): ToxicChange {
  const changed = Object.entries(to.attributes).filter(([name, value]) => from.attributes[name] !== value);
  const attributes = changed.length === 0 ? {} : { attributes: Object.fromEntries(changed) };
  return { ...(from.toxicity === to.toxicity ? {} : { toxicity: to.toxicity }), ...attributes };
}

/** Has one value, whatever was there. */
export class Replacement<T> implements Layer<T> {
  value: T;

  constructor(value: T) {
    this.value = value;
  }

  over(): T {
    return this.value;
  }
}

/** Changes a toxic; a toxic that is gone stays gone. */
export class Patch implements Layer<ToxicSettings | null> {
  readonly #change: ToxicChange;

  constructor(change: ToxicChange) {
    this.#change = change;
  }

  over(below: ToxicSettings | null): ToxicSettings | null {
    return below && patched(below, this.#change);
  }
}

/** Sets one attribute, or the toxicity, to a value that moves. Adds the toxic if it is told how and there is none. */
export class Dial implements Layer<ToxicSettings | null> {
  value: number;
  /** What is added where there is none; null for nothing. */
  adds: ToxicSettings | null;
  readonly #attribute: string;

  constructor(attribute: string, value: number, adds: ToxicSettings | null) {
    this.#attribute = attribute;
    this.adds = adds;
    this.value = value;
  }

  over(below: ToxicSettings | null): ToxicSettings | null {
    const toxic = below ?? this.adds;
    if (toxic === null) return null;
    if (this.#attribute === "toxicity") return { ...toxic, toxicity: this.value };
    return patched(toxic, { attributes: { [this.#attribute]: this.value } });
  }
}

function patched(toxic: ToxicSettings, { toxicity, attributes }: ToxicChange): ToxicSettings {
  const all: Record<string, AttributeValue> & Attributes = { ...toxic.attributes, ...attributes };
  return { ...toxic, toxicity: toxicity ?? toxic.toxicity, attributes: all };
}
