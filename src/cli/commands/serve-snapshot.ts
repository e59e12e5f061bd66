import { resolve } from "node:path";
import type { Command } from "commander";
import { freshSeed } from "../../base/random.ts";
import type { ConfigText } from "../../config/load.ts";
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
  watch?: boolean;
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

/** Where a configuration comes from. */
export interface Source {
  /** Absolute; null: there is none. */
  readonly file: string | null;
  /**
   * Reads it again.
   * @param other in its place
   * @throws ConfigError with everything that is wrong with it
   */
  read(other?: ConfigText): Snapshot | null;
}

/**
 * Runs a configuration until a signal ends it.
 * @param source null: it comes from nowhere that could change
 */
export function serveSnapshot(snapshot: Snapshot, flags: SharedFlags, source: Source | null): Promise<void> {
  return serve({ snapshot, program: null, binds: [], source }, flags);
}

/** Runs a program until a signal ends it, with the settings of a configuration if there is one. */
export function serveProgram(
  program: string,
  snapshot: Snapshot | null,
  binds: readonly string[],
  flags: SharedFlags,
  source: Source,
): Promise<void> {
  return serve({ snapshot, program, binds, source }, flags);
}

/** What is served, and where it comes from. */
interface Served {
  readonly snapshot: Snapshot | null;
  readonly program: string | null;
  readonly binds: readonly string[];
  readonly source: Source | null;
}

async function serve(served: Served, flags: SharedFlags): Promise<void> {
  setFips(flags);
  // Only who serves needs all that serving needs.
  const { serveUntilSignal } = await import("../serve.ts");
  return serveUntilSignal(await toServeSettings(served, flags));
}

/** @throws ConfigError with what is wrong with the scenario */
async function toServeSettings(served: Served, flags: SharedFlags): Promise<ServeSettings> {
  const { snapshot, program, binds, source } = served;
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
    reread:
      source === null
        ? null
        : async (other) => toServeSettings({ ...served, snapshot: source.read(other) }, flags),
    files: filesOf(source?.file ?? null, snapshot?.chaos.scenario ?? null),
    isWatched: flags.watch === true,
  };
}

function filesOf(...files: readonly (string | null)[]): string[] {
  return files.filter((file) => file !== null).map((file) => resolve(file));
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
