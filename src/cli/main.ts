import { Command, CommanderError } from "commander";
import { nearestWord } from "../base/nearest-word.ts";
import { ConfigError } from "../config/config-error.ts";
import { isProgramError } from "../worker/program-error.ts";
import { Exit, UsageError } from "./errors.ts";
import { doubleDashes } from "./single-dash.ts";
import { version } from "./version.ts";

const EXAMPLES = `
Examples:
  sluice                                     the demonstration
  sluice run sluice.yaml                     run a configuration
  sluice run -t -c sluice.yaml               test it and exit
  sluice run gateway.ts --bind :8080         run a program
  sluice http --bind :8080 --upstream 127.0.0.1:3000 --upstream 127.0.0.1:3001
                                             a proxy and balancer from flags alone
  sluice status                              how the servers of a running balancer are
  sluice top                                 what passes it, live
  sluice reload                              have it run what its files say by now
  sluice upgrade -c sluice.yaml              have a new process take its place
  sluice upstream drain api 10.0.0.2:8080    send nothing new to one of them
  sluice cache purge https://example.com/a   take a page out of the cache
  sluice tcp 5433 127.0.0.1:5432             a TCP proxy with faults, changed live from a menu
  sluice toxiproxy                           a server for the clients of Toxiproxy
  sluice toxic add -t latency -a latency=100 redis
                                             a fault for a proxy of a running server
  sluice chaos play slow-database.yaml       faults by a timeline, on a running server

Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.`;

type AddCommand = (program: Command) => void;

/** All commands in the order of the help. What a command needs is loaded when it is used: most are quick, and few need all. */
const COMMANDS: ReadonlyMap<string, () => Promise<AddCommand>> = new Map([
  ["demo", async () => (await import("./commands/demo.ts")).addDemo],
  ["run", async () => (await import("./commands/run.ts")).addRun],
  ["http", async () => (await import("./commands/http.ts")).addHttp],
  ["tcp", async () => (await import("./commands/tcp.ts")).addTcp],
  ["udp", async () => (await import("./commands/udp.ts")).addUdp],
  ["toxiproxy", async () => (await import("./commands/toxiproxy.ts")).addToxiproxy],
  ["top", async () => (await import("./commands/top.ts")).addTop],
  ["status", async () => (await import("./commands/status.ts")).addStatus],
  ["reload", async () => (await import("./commands/reload.ts")).addReload],
  ["rollback", async () => (await import("./commands/reload.ts")).addRollback],
  ["diff", async () => (await import("./commands/diff.ts")).addDiff],
  ["upgrade", async () => (await import("./commands/upgrade.ts")).addUpgrade],
  ["cache", async () => (await import("./commands/cache.ts")).addCache],
  ["upstream", async () => (await import("./commands/upstream.ts")).addUpstream],
  ["proxy", async () => (await import("./commands/proxy.ts")).addProxy],
  ["toxic", async () => (await import("./commands/toxic.ts")).addToxic],
  ["chaos", async () => (await import("./commands/chaos.ts")).addChaos],
  ["schema", async () => (await import("./commands/schema.ts")).addSchema],
]);

const VERSION_FLAGS: ReadonlySet<string | undefined> = new Set(["-V", "--version"]);

/** The commands that a command line may be about: the one it names, none for the version, or else all. */
async function addCommands(program: Command, word: string | undefined): Promise<void> {
  if (VERSION_FLAGS.has(word)) return;
  const named = word === undefined ? undefined : COMMANDS.get(word);
  const loaders = named === undefined ? [...COMMANDS.values()] : [named];
  for (const add of await Promise.all(loaders.map((load) => load()))) add(program);
}

function createProgram(): Command {
  const program = new Command("sluice")
    .description(
      "A programmable reverse proxy and load balancer. Without a command it shows a demonstration.",
    )
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "show this help")
    .addHelpText("after", EXAMPLES)
    .showSuggestionAfterError()
    // Behind a command its own flags count: `sluice toxiproxy --version` asks for another version.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(toOneLine(text)) });
  return program;
}

/** Milliseconds for what was said last to leave the process. */
const LAST_WORDS = 100;

/** Commander puts what it suggests on a line of its own. */
function toOneLine(text: string): string {
  const line = text.trim().replace(/\s*\n\s*/g, " ");
  return `${line.replace(/^error: /, "sluice: ")}\n`;
}

/** Runs the command line of this process and ends it. */
export async function main(argv: readonly string[]): Promise<void> {
  await runCommandLine(argv);
  // A program that ran in this thread may have left timers and connections open: they are no reason to stay.
  setTimeout(() => process.exit(), LAST_WORDS).unref();
}

/** Runs a command line; sets the exit code of the process where it isn't 0. */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  try {
    refuseUnknownCommand(argv[2]);
    const line = doubleDashes(argv);
    const program = createProgram();
    await addCommands(program, line[2]);
    await program.parseAsync(line);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Without this an unknown word would go to the demonstration, which is what runs without a command. */
function refuseUnknownCommand(word: string | undefined): void {
  if (word === undefined || word.startsWith("-")) return;
  const known = [...COMMANDS.keys(), "help"];
  if (known.includes(word)) return;
  const nearest = nearestWord(word, known);
  const hint = nearest === undefined ? `there are ${known.join(", ")}` : `did you mean ${nearest}?`;
  throw new UsageError(`there is no command ${word}: ${hint}`);
}

/** Says on standard error what is wrong, in the user's words. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.Done : Exit.Usage;
  const isUsage = error instanceof UsageError || error instanceof ConfigError || isProgramError(error);
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(
    `${message.startsWith("sluice: ") || error instanceof ConfigError ? "" : "sluice: "}${message}\n`,
  );
  return isUsage ? Exit.Usage : Exit.Failed;
}
