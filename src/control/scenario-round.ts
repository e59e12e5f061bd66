import type { ToxicSettings } from "../chaos/toxic.ts";
import type { Ramp, StepAction, Targets } from "../config/scenario.ts";
import type { PlannedStep, RoundPlan } from "../config/scenario-plan.ts";
import type { PlayEvent } from "./scenario-events.ts";
import {
  type AnyStack,
  Dial,
  type Layer,
  type Overrides,
  Patch,
  Replacement,
  type Stack,
} from "./scenario-layers.ts";
import type { ScenarioTarget } from "./scenario-target.ts";
import { describeAction, describeUndo, describeValue } from "./scenario-text.ts";
import { SteeringError } from "./steering.ts";

export interface ScenarioRoundOptions {
  readonly plan: RoundPlan;
  readonly target: ScenarioTarget;
  readonly overrides: Overrides;
  /** The scenario's own time since the start of the round, milliseconds. */
  elapsed(): number;
  onEvent(event: Omit<PlayEvent, "round">): void;
}

type ToxicStack = Stack<ToxicSettings | null>;

/** What a step has laid on a proxy. */
interface Laid {
  readonly stack: AnyStack;
  lift(): void;
}

/** A ramp on its way on one proxy. */
interface DialledToxic {
  readonly stack: ToxicStack;
  readonly dial: Dial;
}

/** At one time ramps move first, then steps end, then others begin: what ends makes room for what begins. */
const ORDER = { ramp: 0, undo: 1, step: 2 } as const;

interface Item {
  readonly at: number;
  readonly order: number;
  run(): Promise<void>;
}

/** One round of a scenario: an agenda of what is due next. Whoever has it waits for the time and lets it advance. */
export class ScenarioRound {
  readonly #options: ScenarioRoundOptions;
  readonly #agenda: Item[] = [];
  readonly #laid = new Map<PlannedStep, Laid[]>();
  /** Stacks that layers were lifted off, and whose proxies are to hear of it. */
  readonly #unsettled = new Set<AnyStack>();

  constructor(options: ScenarioRoundOptions) {
    this.#options = options;
    for (const planned of options.plan.steps) {
      const { start, undo } = planned;
      this.#schedule(start, ORDER.step, () => this.#inStep(planned, () => this.#start(planned)));
      if (undo === Number.POSITIVE_INFINITY) continue;
      this.#schedule(undo, ORDER.undo, async () => this.#end(planned));
    }
  }

  /** When something is due again, milliseconds since the start of the round; null when the round is over. */
  get next(): number | null {
    return this.#agenda[0]?.at ?? null;
  }

  /** Does all that is due at `next`. Rejects when something couldn't be done. */
  async advance(): Promise<void> {
    const { next } = this;
    while (this.next === next && next !== null) await this.#agenda.shift()!.run();
    await this.#settle();
  }

  #schedule(at: number, order: number, run: () => Promise<void>): void {
    const place = this.#agenda.findIndex((item) => item.at > at || (item.at === at && item.order > order));
    this.#agenda.splice(place === -1 ? this.#agenda.length : place, 0, { at, order, run });
  }

  /** Says which step it was that failed. */
  async #inStep({ index, step }: PlannedStep, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`step ${index + 1} (line ${step.line}): ${message}`, { cause: error });
    }
  }

  async #start(planned: PlannedStep): Promise<void> {
    const { step, targets } = planned;
    const { action, log } = step;
    if (log !== "") this.#emit("log", planned, planned.start, [], log);
    if (action === null) return;
    const proxies = await this.#resolve(targets);
    if (action.kind === "ramp") {
      await this.#startRamp(planned, action.ramp, proxies);
      return;
    }
    // What ended just now must be undone before connections are cut: those that come next shouldn't meet it.
    if (action.kind === "cut") await this.#settle();
    for (const proxy of proxies) await this.#act(planned, action, proxy);
    this.#emit("step", planned, planned.start, proxies, describeAction(action));
  }

  async #resolve(targets: Targets): Promise<readonly string[]> {
    if (targets.kind !== "all") return targets.names;
    const names = (await this.#options.target.list()).map(({ name }) => name);
    if (names.length === 0) throw new SteeringError("PROXY_NOT_FOUND", "there are no proxies");
    return names;
  }

  async #act(
    planned: PlannedStep,
    action: Exclude<StepAction, { kind: "ramp" }>,
    proxy: string,
  ): Promise<void> {
    const { overrides, target } = this.#options;
    switch (action.kind) {
      case "mode":
        await this.#lay(planned, await overrides.mode(proxy), new Replacement(action.mode));
        break;
      case "enabled":
        await this.#lay(planned, await overrides.enabled(proxy), new Replacement(action.enabled));
        break;
      case "addToxic":
        await this.#add(planned, proxy, action.toxic);
        break;
      case "updateToxic":
        await this.#lay(planned, await this.#existing(proxy, action.toxic), new Patch(action.change));
        break;
      case "removeToxic":
        await this.#lay(planned, await this.#existing(proxy, action.toxic), new Replacement(null));
        break;
      case "cut":
        await target.cut(proxy);
    }
  }

  async #lay<T>(planned: PlannedStep, stack: Stack<T>, layer: Layer<T>): Promise<void> {
    await stack.lay(layer);
    const laid = this.#laid.get(planned) ?? [];
    laid.push({ stack, lift: () => stack.lift(layer) });
    this.#laid.set(planned, laid);
  }

  async #add(planned: PlannedStep, proxy: string, toxic: ToxicSettings): Promise<void> {
    const stack = await this.#options.overrides.toxic(proxy, toxic.name);
    if (stack.wanted !== null)
      throw new SteeringError("TOXIC_EXISTS", `${proxy} has a toxic ${toxic.name} already`);
    const layer = new Replacement<ToxicSettings | null>(toxic);
    await this.#lay(planned, stack, layer);
    // With all attributes, for when it has to be brought back.
    layer.value = stack.actual;
  }

  async #existing(proxy: string, name: string): Promise<ToxicStack> {
    const stack = await this.#options.overrides.toxic(proxy, name);
    if (stack.wanted === null) throw noToxic(proxy, name);
    return stack;
  }

  // ── ramps ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #startRamp(planned: PlannedStep, ramp: Ramp, proxies: readonly string[]): Promise<void> {
    const dialled: DialledToxic[] = [];
    for (const proxy of proxies) {
      const stack = await this.#toxicToRamp(proxy, ramp);
      const isAdded = stack.wanted === null;
      const dial = new Dial(ramp.attribute, valueAt(ramp, 0), ramp.adds);
      await this.#lay(planned, stack, dial);
      if (isAdded) dial.adds = stack.actual;
      dialled.push({ stack, dial });
    }
    this.#emit("step", planned, planned.start, proxies, describeAction({ kind: "ramp", ramp }));
    this.#scheduleRamp(planned, ramp, dialled, 1);
  }

  /** The toxic of that name; or that of that type, which may have to be added. */
  async #toxicToRamp(proxy: string, { toxic, adds }: Ramp): Promise<ToxicStack> {
    const named = await this.#options.overrides.toxic(proxy, toxic);
    if (named.wanted !== null) return named;
    if (adds === null) throw noToxic(proxy, toxic);
    return this.#options.overrides.toxic(proxy, adds.name);
  }

  #scheduleRamp(planned: PlannedStep, ramp: Ramp, dialled: readonly DialledToxic[], value: number): void {
    const at = planned.start + (ramp.over * value) / ramp.steps;
    this.#schedule(at, ORDER.ramp, () =>
      this.#inStep(planned, () => this.#moveRamp(planned, ramp, dialled, value)),
    );
  }

  async #moveRamp(
    planned: PlannedStep,
    ramp: Ramp,
    dialled: readonly DialledToxic[],
    scheduled: number,
  ): Promise<void> {
    // Orders that take long must not queue up: values whose time has passed are left out.
    const due = Math.floor(((this.#options.elapsed() - planned.start) * ramp.steps) / ramp.over);
    const place = Math.min(Math.max(scheduled, due), ramp.steps);
    const value = valueAt(ramp, place);
    const isNews = dialled.some(({ dial }) => dial.value !== value);
    for (const { stack, dial } of dialled) {
      // A step that removes it for a while is another matter: the ramp goes on beneath.
      if (stack.upTo(dial) === null) throw noToxic(stack.proxy, ramp.toxic);
      dial.value = value;
      await stack.settle();
    }
    const proxies = dialled.map(({ stack }) => stack.proxy);
    const at = planned.start + (ramp.over * place) / ramp.steps;
    const text = describeValue(ramp, value);
    if (place === ramp.steps) this.#emit("arrive", planned, at, proxies, text);
    else if (isNews) this.#emit("value", planned, at, proxies, text);
    if (place < ramp.steps) this.#scheduleRamp(planned, ramp, dialled, place + 1);
  }

  // ── undoing ────────────────────────────────────────────────────────────────────────────────────────────────────

  #end(planned: PlannedStep): void {
    const laid = this.#laid.get(planned) ?? [];
    for (const { stack, lift } of laid) {
      lift();
      this.#unsettled.add(stack);
    }
    this.#laid.delete(planned);
    const { action } = planned.step;
    const proxies = [...new Set(laid.map(({ stack }) => stack.proxy))];
    if (action !== null) this.#emit("undo", planned, planned.undo, proxies, describeUndo(action));
  }

  async #settle(): Promise<void> {
    for (const stack of this.#unsettled) {
      this.#unsettled.delete(stack);
      await stack.settle();
    }
  }

  #emit(
    kind: PlayEvent["kind"],
    { index }: PlannedStep,
    at: number,
    proxies: readonly string[],
    text: string,
  ): void {
    this.#options.onEvent({ kind, at: Math.round(at), step: index + 1, proxies, text });
  }
}

/** The value of a ramp after so many of its steps. */
function valueAt({ from, to, steps, isWhole }: Ramp, place: number): number {
  if (place === steps) return to;
  const value = from + ((to - from) * place) / steps;
  // Digits that only the way of counting has made are cut off.
  return isWhole ? Math.round(value) : Number(value.toPrecision(12));
}

function noToxic(proxy: string, name: string): SteeringError {
  return new SteeringError("TOXIC_NOT_FOUND", `${proxy} has no toxic ${name}`);
}
