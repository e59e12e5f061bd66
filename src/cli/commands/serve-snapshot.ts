import type { Command } from "commander";
import { freshSeed } from "../../base/random.ts";
import type { Scenario } from "../../config/scenario.ts";
import type { LogLevel, Snapshot } from "../../config/snapshot.ts";
import { instanceName, type RunSpec } from "../../worker/run-spec.ts";
import { accessLogOption, jsonOption, logLevelOption, threadsOption, upgradeSockOption } from "../options.ts";
import { addProcessFlags, type ProcessFlags, processOf } from "../process-options.ts";
import type { ServeSettings } from "../serve-settings.ts";
import { fipsOption, keyLogFile, keyLogOption, setFips, type TlsFlags } from "../tls/options.ts";

/** Flags of every command that serves; they win over the configuration. */
export interface SharedFlags extends TlsFlags, ProcessFlags {
  threads?: number;
  accessLog?: "off" | "combined" | "json";
  logLevel?: LogLevel;
  json?: boolean;
  upgrade?: boolean;
  upgradeSock?: string;
}

/** Adds them to a command. */
export function addSharedFlags(command: Command): Command {
  return addProcessFlags(command)
    .addOption(threadsOption())
    .addOption(accessLogOption())
    .addOption(logLevelOption())
    .addOption(fipsOption())
    .addOption(keyLogOption())
    .addOption(upgradeSockOption())
    .addOption(jsonOption());
}

const DEFAULT_GRACE = 30_000;

/** Reads a configuration again. @throws ConfigError with everything that is wrong with it */
type Reread = () => Snapshot | null;

/**
 * Runs a configuration until a signal ends it.
 * @param reread null: it comes from nowhere that could change
 */
export function serveSnapshot(snapshot: Snapshot, flags: SharedFlags, reread: Reread | null): Promise<void> {
  return serve({ snapshot, program: null, binds: [], reread }, flags);
}

/** Runs a program until a signal ends it, with the settings of a configuration if there is one. */
export function serveProgram(
  program: string,
  snapshot: Snapshot | null,
  binds: readonly string[],
  flags: SharedFlags,
  reread: Reread,
): Promise<void> {
  return serve({ snapshot, program, binds, reread }, flags);
}

/** What is served, and where it comes from. */
interface Served {
  readonly snapshot: Snapshot | null;
  readonly program: string | null;
  readonly binds: readonly string[];
  readonly reread: Reread | null;
}

async function serve(served: Served, flags: SharedFlags): Promise<void> {
  setFips(flags);
  // Only who serves needs all that serving needs.
  const { serveUntilSignal } = await import("../serve.ts");
  return serveUntilSignal(await toServeSettings(served, flags));
}

/** @throws ConfigError with what is wrong with the scenario */
async function toServeSettings(served: Served, flags: SharedFlags): Promise<ServeSettings> {
  const { snapshot, program, binds, reread } = served;
  const scenario = await loadScenario(snapshot);
  return {
    spec: toRunSpec(snapshot, program, binds, flags),
    threads: flags.threads ?? snapshot?.threads ?? null,
    grace: snapshot?.gracePeriod ?? DEFAULT_GRACE,
    pidFile: flags.pidFile ?? snapshot?.pidFile ?? null,
    process: processOf(snapshot, flags),
    json: flags.json === true,
    admin: snapshot?.admin ?? null,
    scenario,
    succession: {
      takesOver: flags.upgrade === true,
      socket: flags.upgradeSock ?? snapshot?.process.upgradeSocket ?? null,
    },
    reread: reread === null ? null : async () => toServeSettings({ ...served, snapshot: reread() }, flags),
  };
}

/** The scenario that a configuration names, if it names one. @throws ConfigError with everything that is wrong with it */
export async function loadScenario(snapshot: Snapshot | null): Promise<Scenario | null> {
  const file = snapshot?.chaos.scenario ?? null;
  return file === null ? null : (await import("../scenario.ts")).readScenario(file);
}

/** What a data plane needs to know of a command line. */
export function toRunSpec(
  snapshot: Snapshot | null,
  program: string | null,
  binds: readonly string[],
  flags: SharedFlags,
): RunSpec {
  const keyLog = keyLogFile(flags);
  return {
    snapshot,
    program,
    binds,
    accessLog: accessLogOf(snapshot, flags),
    errorLog: {
      level: flags.logLevel ?? snapshot?.logLevel ?? "info",
      path: flags.errorLog ?? snapshot?.errorLog ?? null,
    },
    instance: instanceName(),
    seed: snapshot?.chaos.seed ?? freshSeed(),
    ...(flags.fips === true ? { fips: true } : {}),
    ...(keyLog === null ? {} : { keyLog }),
  };
}

function accessLogOf(snapshot: Snapshot | null, flags: SharedFlags): RunSpec["accessLog"] {
  if (flags.accessLog === undefined) return snapshot?.accessLog ?? null;
  return flags.accessLog === "off" ? null : { path: "stdout", format: flags.accessLog };
}
