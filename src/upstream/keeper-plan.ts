import { isDeepStrictEqual } from "node:util";
import type { AlarmClock } from "../base/alarms.ts";
import type { Random } from "../base/random.ts";
import { createDiscovery } from "./discovery/create-discovery.ts";
import type { GroupMemory } from "./group-memory.ts";
import type { GroupSettings, HealthCheckSettings } from "./group-settings.ts";
import { GroupSlots } from "./group-slots.ts";
import type { GroupEvent } from "./group-status.ts";
import { createProbe } from "./health/create-probe.ts";
import type { Probe } from "./health/probe.ts";
import type { Check, KeptServer } from "./kept-server.ts";
import type { ServerInit, ServerRecord } from "./server.ts";
import { ServerFinder } from "./server-finder.ts";

/** What a group is kept with. */
export interface KeeperMeans {
  /** Of the time that all threads share: `threadAlarms`, or `idleAlarms`. */
  readonly clock: AlarmClock;
  readonly random: Random;
  /** Other servers than before: to be told to every thread's `ServerGroup`. The first ones are in `records`. */
  readonly onServers: (records: readonly ServerRecord[]) => void;
  readonly onEvent: (event: GroupEvent) => void;
  /** Default: the probes that there are. */
  readonly createProbe?: (settings: HealthCheckSettings) => Probe;
  /** Default: the discoveries that there are. */
  readonly createDiscovery?: typeof createDiscovery;
  /** Milliseconds since 1970, for what people read. Default: `Date.now`. */
  readonly wallClock?: () => number;
}

/** What a keeper works with, all that can go wrong in making it being done. */
export interface KeeperPlan {
  readonly checks: readonly Check[];
  readonly finder: ServerFinder;
  readonly slots: GroupSlots;
}

/** What a keeper leaves to the one that comes after it. */
export interface Estate {
  readonly servers: readonly KeptServer[];
  readonly memory: GroupMemory;
  /** When servers began to start slowly, by their slots there. */
  readonly began: ReadonlyMap<number, number>;
  readonly isRunning: boolean;
  readonly isDown: boolean;
}

/** With what became of it meanwhile. */
export interface Heritage extends Estate {
  /** Slots that are taken already, by the addresses of the servers that they are for. */
  readonly places: ReadonlyMap<string, number>;
  /** The servers that there are to be. */
  readonly wanted: readonly Required<ServerInit>[];
}

/**
 * Makes what a keeper of a group works with.
 * @param known checks that there are already: those with the same settings are taken
 * @throws what making probes and the discovery throws
 */
export function planOf(
  settings: GroupSettings,
  memory: GroupMemory,
  means: KeeperMeans,
  known: readonly Check[] = [],
): KeeperPlan {
  const { clock, random } = means;
  const { discovery } = settings;
  const find = means.createDiscovery ?? createDiscovery;
  const toCheck = (check: HealthCheckSettings): Check =>
    known.find((one) => isDeepStrictEqual(one.settings, check)) ?? {
      settings: check,
      probe: (means.createProbe ?? createProbe)(check),
    };
  return {
    checks: settings.checks.map(toCheck),
    finder: new ServerFinder(discovery === null ? null : () => find(discovery, { clock, random })),
    slots: new GroupSlots(memory),
  };
}
