import { type Command, InvalidArgumentError, Option } from "commander";
import { threadAlarms } from "../../base/alarms.ts";
import { freshSeed } from "../../base/random.ts";
import { createRegistry } from "../../chaos/toxics/index.ts";
import { loadScenario } from "../../config/load-scenario.ts";
import type { Scenario } from "../../config/scenario.ts";
import { isDrawn, planRound } from "../../config/scenario-plan.ts";
import { type PlayOutcome, ScenarioPlayer } from "../../control/scenario-player.ts";
import { rehearse } from "../chaos/dry-run.ts";
import { JsonPlayPrinter, type PlayHead, type PlayPrinter, TextPlayPrinter } from "../chaos/play-printer.ts";
import { Exit, UsageError } from "../errors.ts";
import { ApiClient } from "../steering/api-client.ts";
import { addClientOptions, type ClientFlags } from "../steering/client-command.ts";
import { HttpSteering } from "../steering/http-steering.ts";
import { toxicsOption } from "../toxics-option.ts";

interface PlayFlags extends ClientFlags {
  readonly seed?: string;
  readonly speed: number;
  readonly dryRun?: true;
}

const EXAMPLES = `
Examples:
  sluice chaos play slow-database.yaml --dry-run
  sluice chaos play slow-database.yaml
  sluice chaos play slow-database.yaml --host http://localhost:8474 --speed 10x --seed 42

Exit codes: 0 played, 1 something couldn't be done (everything is undone), 2 wrong usage or scenario, 130 interrupted.`;

/** `sluice chaos`: faults by a timeline. */
export function addChaos(program: Command): void {
  const chaos = program.command("chaos").description("play faults by a timeline");
  addClientOptions(chaos.command("play"))
    .description("play a scenario on a running Sluice, or on a Toxiproxy server")
    .argument("<file>", "the scenario")
    .option("--seed <seed>", "draws the times and proxies that the scenario leaves to chance")
    .addOption(
      new Option("--speed <factor>", "how much faster than written, as in 10x")
        .argParser(toFactor)
        .default(1),
    )
    .addOption(toxicsOption())
    .option("--dry-run", "print the timeline and do nothing")
    .addHelpText("after", EXAMPLES)
    .action(play);
}

function toFactor(text: string): number {
  const factor = Number(/^(\d+(?:\.\d+)?)x?$/i.exec(text)?.[1]);
  if (factor > 0) return factor;
  throw new InvalidArgumentError("Expected a factor, like 10x or 0.5x.");
}

async function play(file: string, flags: PlayFlags): Promise<void> {
  const registry = createRegistry();
  const scenario = loadScenario(file, process.env, registry);
  const seed = flags.seed ?? scenario.seed ?? freshSeed();
  const client = createClient(flags);
  const printer = createPrinter(flags.json === true);
  printer.begin(headOf(scenario, seed, flags, client.url));
  if (flags.dryRun === true) {
    for (const event of rehearse(scenario, seed)) printer.event(event);
    return;
  }
  const player = new ScenarioPlayer({
    ...{ scenario, registry, seed, speed: flags.speed },
    target: new HttpSteering(client),
    clock: threadAlarms,
    onEvent: (event) => printer.event(event),
  });
  // Whoever reads the lines may have had enough of them; what was begun is played and undone nevertheless.
  process.stdout.on("error", () => {});
  const { outcome, signal } = await untilSignal(player);
  printer.end(outcome);
  process.exitCode = exitCodeOf(outcome, signal);
}

function createClient({ host, token }: PlayFlags): ApiClient {
  try {
    return new ApiClient({ url: host, token: token ?? null });
  } catch {
    throw new UsageError(`--host ${host} is no URL of a server, like http://localhost:8474`);
  }
}

function createPrinter(isJson: boolean): PlayPrinter {
  const { stdout, stderr } = process;
  return isJson ? new JsonPlayPrinter(stdout, Date.now) : new TextPlayPrinter(stdout, stderr, hasColours());
}

function hasColours(): boolean {
  return process.stdout.isTTY && process.stdout.hasColors();
}

function headOf(scenario: Scenario, seed: string, { speed, dryRun }: PlayFlags, url: string): PlayHead {
  const { name, steps, repeat } = scenario;
  const { length } = planRound(scenario, seed, 1);
  const host = dryRun === true ? "" : url;
  return { name, host, steps: steps.length, length, rounds: repeat, seed, isDrawn: isDrawn(scenario), speed };
}

/** What a shell takes for a program that a signal ended. */
const SIGNAL_EXITS = { SIGINT: 130, SIGTERM: 143 } as const;

type EndingSignal = keyof typeof SIGNAL_EXITS;

/** A signal ends the play, and what it did is undone; a second one doesn't wait for that. */
async function untilSignal(
  player: ScenarioPlayer,
): Promise<{ outcome: PlayOutcome; signal: EndingSignal | null }> {
  let signal: EndingSignal | null = null;
  const onSignal = (name: NodeJS.Signals): void => {
    const code = name as EndingSignal;
    if (signal !== null) process.exit(SIGNAL_EXITS[code]);
    signal = code;
    player.stop();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  const outcome = await player.play();
  process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  return { outcome, signal };
}

function exitCodeOf(outcome: PlayOutcome, signal: EndingSignal | null): number {
  if (outcome === "failed") return Exit.Failed;
  return outcome === "stopped" && signal !== null ? SIGNAL_EXITS[signal] : Exit.Done;
}
