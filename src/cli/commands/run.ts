import { existsSync } from "node:fs";
import { extname, resolve } from "node:path";
import type { Command } from "commander";
import { formatProblem } from "../../config/config-error.ts";
import { loadConfig, parseConfig } from "../../config/load.ts";
import type { Snapshot } from "../../config/snapshot.ts";
import { goToBackground } from "../background.ts";
import { UsageError } from "../errors.ts";
import { collectAddress, TAKE_OVER } from "../options.ts";
import { processOf } from "../process-options.ts";
import { setFips } from "../tls/options.ts";
import {
  addSharedFlags,
  loadScenario,
  type SharedFlags,
  type Source,
  serveProgram,
  serveSnapshot,
  toRunSpec,
} from "./serve-snapshot.ts";
import { testFilters } from "./test-filters.ts";
import { testPlugins } from "./test-plugins.ts";
import { testTls } from "./test-tls.ts";

interface RunFlags extends SharedFlags {
  config?: string;
  bind?: string[];
  test?: boolean;
}

const PROGRAM_TYPES: ReadonlySet<string> = new Set([".ts", ".mts", ".js", ".mjs"]);

const EXAMPLES = `
Examples:
  sluice run sluice.yaml
  sluice run -t -c sluice.yaml               test the configuration and exit
  sluice run gateway.ts --bind :8080         a program: a module that exports defineProxy(…) or defineServer(…)
  sluice run gateway.ts -c sluice.yaml       a program with the settings and listeners of a configuration`;

/** `sluice run`: a configuration, a program, or both. */
export function addRun(program: Command): void {
  const command = program
    .command("run")
    .description(
      "run a configuration (.yaml), a program (.ts, .js), or a program with a configuration's settings",
    )
    .argument("[file]", "the configuration or the program")
    .option("-c, --config <file>", "the configuration")
    .option(
      "-b, --bind <address>",
      "listen here, for programs that name no address (repeatable)",
      collectAddress,
    )
    .option("-t, --test", "test the configuration and the program, and exit")
    .option("-w, --watch", "reload whenever the configuration, the program or what it imports changes")
    .option("-u, --upgrade", TAKE_OVER);
  addSharedFlags(command).addHelpText("after", EXAMPLES).action(run);
}

async function run(file: string | undefined, flags: RunFlags): Promise<void> {
  if (await goToBackground(flags.daemon === true && flags.test !== true)) return;
  const { programPath, configPath } = whatToRun(file, flags.config);
  setFips(flags);
  const purpose = programPath === null ? "proxy" : "program";
  const snapshot = configPath === null ? null : loadConfig(configPath, process.env, purpose);
  if (await goToBackground(snapshot?.process.daemon === true && flags.test !== true)) return;
  for (const warning of snapshot?.warnings ?? [])
    process.stderr.write(`warning: ${formatProblem(warning)}\n`);
  if (programPath === null) await runSnapshot(snapshot!, configPath!, flags);
  else await runProgram(programPath, snapshot, flags);
}

function whatToRun(
  file: string | undefined,
  config: string | undefined,
): { programPath: string | null; configPath: string | null } {
  if (file === undefined && config === undefined) {
    throw new UsageError(
      "nothing to run: name a configuration or a program, for example sluice run sluice.yaml",
    );
  }
  if (file === undefined) return { programPath: null, configPath: config! };
  if (!PROGRAM_TYPES.has(extname(file))) {
    if (config !== undefined) throw new UsageError(`${file} and ${config} are both configurations: name one`);
    return { programPath: null, configPath: file };
  }
  if (!existsSync(file)) throw new UsageError(`${file}: there is no such file`);
  return { programPath: resolve(file), configPath: config ?? null };
}

/** The same file, wherever the process goes meanwhile. */
function sourceOf(path: string | null, purpose: "proxy" | "program"): Source {
  const startedIn = process.cwd();
  const file = path === null ? null : resolve(path);
  return {
    file,
    read(other) {
      if (other !== undefined) return parseConfig(other.text, other.file, other.environment, purpose);
      if (path === null) return null;
      // Problems are told in the words in which the file was named, as long as these lead there.
      return loadConfig(process.cwd() === startedIn ? path : file!, process.env, purpose);
    },
  };
}

async function runSnapshot(snapshot: Snapshot, path: string, flags: RunFlags): Promise<void> {
  if (flags.bind !== undefined) {
    throw new UsageError(
      "--bind is for programs; a configuration names its listeners itself, under listeners:",
    );
  }
  if (flags.test !== true) {
    await serveSnapshot(snapshot, flags, sourceOf(path, "proxy"));
    return;
  }
  await testSnapshot(snapshot, path, flags);
  process.stdout.write(`${path}: the configuration is good\n`);
}

/** Tells what is wrong with what a configuration names. */
async function testSnapshot(snapshot: Snapshot, path: string, flags: RunFlags): Promise<void> {
  const { identityOf } = await import("../accounts.ts");
  identityOf(processOf(snapshot, flags));
  await loadScenario(snapshot);
  await testTls(snapshot, path);
  await testPlugins(snapshot, path);
  await testFilters(snapshot);
}

async function runProgram(path: string, snapshot: Snapshot | null, flags: RunFlags): Promise<void> {
  const binds = flags.bind ?? [];
  if (flags.test !== true) {
    await serveProgram(path, snapshot, binds, flags, sourceOf(flags.config ?? null, "program"));
    return;
  }
  try {
    const { testProgram } = await import("../../worker/build-services.ts");
    await testProgram(toRunSpec(snapshot, path, binds, flags));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (snapshot !== null) await testSnapshot(snapshot, flags.config!, flags);
  process.stdout.write(`${path}: the program is good\n`);
}
