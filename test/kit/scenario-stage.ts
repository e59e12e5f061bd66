import { setImmediate as turn } from "node:timers/promises";
import { ManualAlarmClock } from "../../src/base/alarms.ts";
import type { ToxicSettings } from "../../src/chaos/toxic.ts";
import { createRegistry } from "../../src/chaos/toxics/index.ts";
import { parseScenario } from "../../src/config/load-scenario.ts";
import type { PlayEvent } from "../../src/control/scenario-events.ts";
import { type PlayOutcome, ScenarioPlayer } from "../../src/control/scenario-player.ts";
import { MemorySteering } from "./memory-steering.ts";
import { RecordedTarget } from "./recorded-target.ts";

const registry = createRegistry();

/** A play of `steps` over proxies on paper, with a clock that goes when it is told to. */
export class Stage {
  readonly clock: ManualAlarmClock = new ManualAlarmClock();
  readonly steering: MemorySteering = new MemorySteering(registry);
  readonly target: RecordedTarget = new RecordedTarget(this.steering, () => this.clock.now());
  readonly events: PlayEvent[] = [];
  player!: ScenarioPlayer;
  outcome: PlayOutcome | null = null;

  async proxy(name: string): Promise<this> {
    await this.steering.create({ name, listen: "127.0.0.1:0", upstreams: ["127.0.0.1:1"] });
    return this;
  }

  async begin(
    text: string,
    { seed = "seed", speed = 1 }: { readonly seed?: string; readonly speed?: number } = {},
  ): Promise<this> {
    this.player = new ScenarioPlayer({
      ...{ registry, seed, speed, clock: this.clock, target: this.target },
      scenario: parseScenario(text, "test.yaml", {}, registry),
      onEvent: (event) => this.events.push(event),
    });
    void this.player.play().then((outcome) => {
      this.outcome = outcome;
    });
    await this.settle();
    return this;
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) await turn();
  }

  /** Lets time pass in steps, for an order is given at the time at which the clock stands when it gets round to it. */
  async pass(milliseconds: number, step = 50): Promise<this> {
    for (let left = milliseconds; left > 0; left -= step) {
      this.clock.advance(Math.min(left, step));
      await turn();
      await turn();
    }
    await this.settle();
    return this;
  }

  get orders(): string[] {
    return this.target.orders;
  }

  /** `at kind proxies: text`, without the values of ramps. */
  get lines(): string[] {
    return this.events
      .filter(({ kind }) => kind !== "value")
      .map(({ at, kind, proxies, text }) => `${at} ${kind} ${[...proxies, text].join(": ")}`);
  }
}

export async function stage(...proxies: readonly string[]): Promise<Stage> {
  const made = new Stage();
  for (const name of proxies) await made.proxy(name);
  return made;
}

/** A toxic with everything a test doesn't care about. */
export function latencyToxic(name: string, attributes: ToxicSettings["attributes"]): ToxicSettings {
  return { name, type: "latency", stream: "downstream", toxicity: 1, attributes };
}
