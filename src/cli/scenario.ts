import type { Logger } from "pino";
import { threadAlarms } from "../base/alarms.ts";
import { createRegistry } from "../chaos/toxics/index.ts";
import { loadScenario } from "../config/load-scenario.ts";
import type { Scenario } from "../config/scenario.ts";
import { ScenarioPlayer } from "../control/scenario-player.ts";
import type { Steering } from "../control/steering.ts";

/** Reads the scenario that a configuration names. @throws ConfigError with everything that is wrong with it */
export function readScenario(file: string): Scenario {
  return loadScenario(file, process.env, createRegistry());
}

/** A scenario that is played beside the proxy. */
export interface Play {
  /** Ends it, and undoes what it did. */
  stop(): Promise<void>;
}

/** Plays a scenario on proxies of this process, and logs what it does. One that fails leaves the proxy serving. */
export function playBeside(scenario: Scenario, target: Steering, seed: string, log: Logger): Play {
  const player = new ScenarioPlayer({
    ...{ scenario, target, clock: threadAlarms, registry: createRegistry(), seed: scenario.seed ?? seed },
    onEvent: (event) => log.info({ scenario: scenario.name, ...event }, "Scenario"),
  });
  const done = player.play().then((outcome) => {
    const level = outcome === "failed" ? "error" : "info";
    log[level]({ scenario: scenario.name, outcome }, "The scenario is over");
  });
  return {
    async stop() {
      player.stop();
      await done;
    },
  };
}
