import { Alarm, type AlarmClock } from "../base/alarms.ts";
import { nearestWord } from "../base/nearest-word.ts";
import type { ToxicRegistry } from "../chaos/registry.ts";
import type { Scenario, ScenarioProxy } from "../config/scenario.ts";
import { planRound } from "../config/scenario-plan.ts";
import type { PlayEvent } from "./scenario-events.ts";
import { type AnyStack, Overrides } from "./scenario-layers.ts";
import { ScenarioRound } from "./scenario-round.ts";
import type { ScenarioTarget } from "./scenario-target.ts";
import { describeCreation } from "./scenario-text.ts";

export interface ScenarioPlayerOptions {
  readonly scenario: Scenario;
  readonly target: ScenarioTarget;
  readonly clock: AlarmClock;
  /** The toxics there are: their attributes' defaults, for undoing. */
  readonly registry: ToxicRegistry;
  /** Draws what the scenario leaves to chance. */
  readonly seed: string;
  /** How much faster than written. Default 1. */
  readonly speed?: number;
  /** Hears what is done, as soon as it is done. */
  onEvent(event: PlayEvent): void;
}

/** `stopped`: by `stop`. `failed`: something couldn't be done, or not be undone. */
export type PlayOutcome = "done" | "stopped" | "failed";

/** How long one alarm waits at most: timers can't be set for longer than 24 days. */
const LONGEST_WAIT = 2 ** 30;
/** Milliseconds that aren't worth another alarm. */
const ALMOST = 1;

/**
 * Plays a scenario: does what its steps say at their times, and undoes it. Orders are given one after the other. When one
 * fails, the play ends, and everything that it did is undone.
 */
export class ScenarioPlayer {
  readonly #scenario: Scenario;
  readonly #target: ScenarioTarget;
  readonly #clock: AlarmClock;
  readonly #seed: string;
  readonly #speed: number;
  readonly #overrides: Overrides;
  readonly #onEvent: (event: PlayEvent) => void;
  readonly #alarm: Alarm;
  /** Proxies that were created, and are to be removed. */
  #created: string[] = [];
  #wake: () => void = () => {};
  #isStopped = false;
  #round = 0;
  #startTime = 0;

  constructor({ scenario, target, clock, registry, seed, speed = 1, onEvent }: ScenarioPlayerOptions) {
    this.#scenario = scenario;
    this.#target = target;
    this.#clock = clock;
    this.#seed = seed;
    this.#speed = speed;
    this.#overrides = new Overrides(target, registry);
    this.#onEvent = onEvent;
    this.#alarm = new Alarm(clock, () => this.#wake());
  }

  /** Ends the play as soon as the order that is being given is done, and undoes everything. */
  stop(): void {
    this.#isStopped = true;
    this.#alarm.clear();
    this.#wake();
  }

  /**
   * Plays once. What steps without an end did stays when all rounds are over; the scenario's own proxies are removed
   * in any case.
   */
  async play(): Promise<PlayOutcome> {
    this.#startTime = this.#clock.now();
    let outcome: PlayOutcome = "done";
    try {
      await this.#prepare();
      await this.#playRounds();
      if (this.#isStopped) {
        outcome = "stopped";
        this.#emit("stop", "stopped");
      }
    } catch (error) {
      outcome = "failed";
      this.#emit("fail", messageOf(error));
    }
    const isClean = await this.#cleanUp(outcome !== "done");
    return isClean ? outcome : "failed";
  }

  async #prepare(): Promise<void> {
    const { proxies } = this.#scenario;
    await this.#checkNames();
    for (const proxy of proxies) {
      if (this.#isStopped) return;
      await this.#create(proxy);
    }
  }

  /** A misspelt name should not come out after ten minutes. */
  async #checkNames(): Promise<void> {
    const { proxies, steps } = this.#scenario;
    const own = new Set(proxies.map(({ name }) => name));
    const named = steps.flatMap(({ targets }) => (targets.kind === "all" ? [] : targets.names));
    const others = named.filter((name) => !own.has(name));
    if (others.length === 0) return;
    const there = (await this.#target.list()).map(({ name }) => name);
    const missing = others.find((name) => !there.includes(name));
    if (missing === undefined) return;
    const nearest = nearestWord(missing, [...there, ...own]);
    throw new Error(
      `there is no proxy ${missing}${nearest === undefined ? "" : `; did you mean ${nearest}?`}`,
    );
  }

  async #create(proxy: ScenarioProxy): Promise<void> {
    const { listen } = await this.#target.create(proxy);
    this.#created.push(proxy.name);
    this.#emit("create", describeCreation(proxy, listen), [proxy.name]);
  }

  async #playRounds(): Promise<void> {
    const { repeat } = this.#scenario;
    for (let round = 1; round <= repeat && !this.#isStopped; round++) {
      await this.#playRound(round);
      if (round < repeat && !this.#isStopped) await this.#undoAll(this.#overrides.stacks);
    }
  }

  async #playRound(number: number): Promise<void> {
    const { repeat } = this.#scenario;
    this.#round = number;
    this.#startTime = this.#clock.now();
    if (repeat > 1)
      this.#emit("round", Number.isFinite(repeat) ? `round ${number} of ${repeat}` : `round ${number}`);
    const round = new ScenarioRound({
      plan: planRound(this.#scenario, this.#seed, number),
      target: this.#target,
      overrides: this.#overrides,
      elapsed: () => this.#elapsed,
      onEvent: (event) => this.#onEvent({ ...event, round: number }),
    });
    for (let next = round.next; next !== null; next = round.next) {
      await this.#until(this.#startTime + next / this.#speed);
      if (this.#isStopped) return;
      await round.advance();
    }
  }

  async #undoAll(stacks: readonly AnyStack[]): Promise<void> {
    for (const stack of stacks) {
      stack.liftAll();
      if (await stack.settle()) this.#emit("undo", `undo: ${stack.label}`, [stack.proxy]);
    }
  }

  /** Undoes as much as can be undone. False when something couldn't. */
  async #cleanUp(isUndone: boolean): Promise<boolean> {
    let isClean = true;
    const attempt = async (proxy: string, order: () => Promise<void>): Promise<void> => {
      try {
        await order();
      } catch (error) {
        isClean = false;
        this.#emit("fail", `not undone: ${messageOf(error)}`, [proxy]);
      }
    };
    const created = this.#created.reverse();
    const stacks = isUndone ? this.#overrides.stacks.filter(({ proxy }) => !created.includes(proxy)) : [];
    for (const stack of stacks) await attempt(stack.proxy, () => this.#undoAll([stack]));
    for (const name of created) {
      await attempt(name, async () => {
        await this.#target.remove(name);
        this.#emit("remove", "remove", [name]);
      });
    }
    return isClean;
  }

  async #until(time: number): Promise<void> {
    while (!this.#isStopped) {
      const now = this.#clock.now();
      if (time <= now) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#alarm.set(Math.min(time, now + LONGEST_WAIT));
      });
      if (time - this.#clock.now() <= ALMOST) return;
    }
  }

  /** The scenario's own time since the start of the round. */
  get #elapsed(): number {
    return (this.#clock.now() - this.#startTime) * this.#speed;
  }

  #emit(kind: PlayEvent["kind"], text: string, proxies: readonly string[] = []): void {
    // Before the first round there is no time that would be the scenario's own.
    const at = this.#round === 0 ? 0 : Math.round(this.#elapsed);
    this.#onEvent({ kind, round: this.#round, at, step: 0, proxies, text });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
