import { type Command, InvalidArgumentError, Option } from "commander";
import { collect, threadsOption, wholeNumber } from "../options.ts";
import { toxicsOption } from "../toxics-option.ts";
import type { ToxiproxyFlags } from "../toxiproxy/run-server.ts";

const MAX_PORT = 65_535;

const EXAMPLES = `
Flags may begin with one dash, as those of toxiproxy-server do. LOG_LEVEL says what is logged (default info).

Examples:
  sluice toxiproxy
  sluice toxiproxy -host 0.0.0.0 -config proxies.json --allow-host toxiproxy
  sluice toxiproxy -port 0 -seed 7 -proxy-metrics`;

interface Flags extends ToxiproxyFlags {
  readonly version?: true;
}

/** `sluice toxiproxy`: a server that a Toxiproxy client can't tell from the original. */
export function addToxiproxy(program: Command): void {
  program
    .command("toxiproxy")
    .description("run a server for the clients of Toxiproxy: its HTTP API, its flags, its log")
    .option("--host <host>", "where the API listens; empty for all interfaces", "localhost")
    .option("--port <port>", "its port, 0 for any", wholeNumber(MAX_PORT), 8474)
    .option("--config <file>", "proxies to begin with, a JSON list as POST /populate takes it")
    .option("--seed <number>", "makes the faults of a run repeatable", toSeed)
    .addOption(toxicsOption())
    .option("--runtime-metrics", "tell of the process at /metrics")
    .option("--proxy-metrics", "tell of the proxies at /metrics")
    .option("--version", "print the version")
    .addOption(threadsOption().default(1))
    .addOption(new Option("--token <token>", "the bearer token that the API asks for").env("SLUICE_TOKEN"))
    .option("--allow-host <name>", "a name that the API may be asked by, * for any (repeatable)", collect)
    .addHelpText("after", EXAMPLES)
    .action(start);
}

async function start({ version, ...flags }: Flags): Promise<void> {
  const { runToxiproxy, toxiproxyVersion } = await import("../toxiproxy/run-server.ts");
  if (version === true) process.stdout.write(`toxiproxy-server version ${toxiproxyVersion()}\n`);
  else await runToxiproxy(flags);
}

function toSeed(value: string): string {
  if (/^[+-]?\d+$/.test(value)) return value;
  throw new InvalidArgumentError("Expected a whole number.");
}
