import { Command, InvalidArgumentError, Option } from "commander";
import type { Settings } from "./bench.ts";

/** The command line, read. */
export interface Options extends Settings {
  readonly peers?: readonly string[];
  readonly workloads?: readonly string[];
  readonly sluice?: string;
  readonly before?: string;
  readonly json?: boolean;
  readonly write?: boolean;
  readonly list?: boolean;
}

const generators = ["wrk", "own"];

const examples = `
Examples:
  npm run bench                                            everything: about an hour and a half
  npm run bench -- --list                                  what there is, and what is missing
  npm run bench -- --workloads small,browser --rounds 3    two workloads, fewer rounds
  npm run bench -- --peers sluice,nginx --seconds 2 --json
  npm run bench -- --peers sluice,sluice-before --before ../sluice-main/bin/sluice.js
  npm run bench -- --write                                 and put the tables into docs/performance.md
`;

/** Reads argv; commander itself answers --help and reports wrong usage. */
export function parseOptions(argv: readonly string[]): Options {
  const command = new Command("npm run bench --")
    .description("Measures sluice and other proxies side by side.")
    .option("--peers <names>", "only these peers, separated by commas", parseNames)
    .option("--workloads <names>", "only these workloads, separated by commas", parseNames)
    .option("--seconds <n>", "length of one round", parsePositive, 5)
    .option("--rounds <n>", "rounds; the median counts", parsePositive, 5)
    .option("--warm-up-seconds <n>", "load on each peer before the first round", parsePositive, 3)
    .option("--threads <n>", "threads of each proxy that can have more than one", parsePositive, 1)
    .addOption(
      new Option("--generator <name>", "who makes the load; by default wrk if it is installed").choices(
        generators,
      ),
    )
    .option(
      "--sluice <file>",
      "the program to measure as sluice; by default $SLUICE_BIN or bin/sluice.js here",
    )
    .option("--before <file>", "another one, measured as sluice-before")
    .option("--json", "print everything that was measured, as JSON")
    .option("--write", "update the tables in docs/performance.md")
    .option("--list", "list peers and workloads and exit")
    .addHelpText("after", examples)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
  return command.parse([...argv], { from: "user" }).opts<Options>();
}

function parseNames(text: string): string[] {
  return text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

function parsePositive(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("It has to be a whole number above 0.");
}

/** Those with the given names in the order of `all`, or all; throws on a name that nobody has. */
export function chosen<T extends { readonly name: string }>(
  kind: string,
  all: readonly T[],
  names: readonly string[] | undefined,
): readonly T[] {
  if (names === undefined) return all;
  const known = new Set(all.map(({ name }) => name));
  const unknown = names.find((name) => !known.has(name));
  if (unknown === undefined) return all.filter(({ name }) => names.includes(name));
  throw new UsageError(`unknown ${kind} ${unknown}; there are ${[...known].join(", ")}`);
}

/** Something the user has to write differently: one line, and exit code 2. */
export class UsageError extends Error {}
