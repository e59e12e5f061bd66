import { isDeepStrictEqual } from "node:util";
import { type Finished, runProgram } from "../../kit/process.ts";
import type { Comparison } from "./answers.ts";
import { commandLines } from "./command-line-list.ts";
import { type ComparedServer, startOriginal, startOurs } from "./servers.ts";

/** What a command line did, without what differs from run to run. */
interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that steers a server by commands: words that come before those of the command. */
interface Steerer {
  readonly name: string;
  readonly words: readonly string[];
}

const sluice = [process.execPath, `${import.meta.dirname}/../../../bin/sluice.js`, "proxy"];

/** What our command line says otherwise, whatever it steers. */
const KNOWN: readonly (readonly [what: string, applies: (original: Outcome, ours: Outcome) => boolean])[] = [
  [
    "help of its own, in front of the same error and with the same exit code",
    (original, ours) =>
      /^NAME:/.test(original.stdout) && original.code === ours.code && original.stderr === ours.stderr,
  ],
  [
    "wrong usage ends with 2 and one line, where the original shows help and ends with 0 or 3",
    (original, ours) =>
      /Incorrect Usage|No help topic/.test(original.stdout + original.stderr) && ours.code === 2,
  ],
  [
    "a toxic without a name is asked for, where the original shows what went wrong inside",
    (original, ours) => /toxic ''/.test(original.stderr) && /'toxicName' was empty/.test(ours.stderr),
  ],
  [
    "`create:` in lower case, as the original has it since version 2.12.0",
    (original, ours) => original.stderr.replace(": Create:", ": create:") === ours.stderr,
  ],
  [
    "a server that can't be reached is told in other words",
    (original, ours) =>
      /fail to request/.test(original.stderr) && /can't reach/.test(ours.stderr) && ours.code === 1,
  ],
  [
    "an attribute without a value is refused, where the original leaves it out",
    (original, ours) => original.code === 0 && /should be key=value/.test(ours.stderr),
  ],
];

/** Runs the same commands by both programs on both servers. */
export async function compareCommandLines(server: string, cli: string): Promise<Comparison> {
  const theirs: Steerer = { name: "toxiproxy-cli", words: [cli] };
  const ours: Steerer = { name: "sluice proxy", words: sluice };
  const reference = await onFresh(() => startOriginal(server), theirs);
  const others = [
    { title: `${theirs.name} on our server`, outcomes: await onFresh(startOurs, theirs), isOurs: false },
    {
      title: `${ours.name} on the original`,
      outcomes: await onFresh(() => startOriginal(server), ours),
      isOurs: true,
    },
    { title: `${ours.name} on our server`, outcomes: await onFresh(startOurs, ours), isOurs: true },
  ];
  const reports = others.map(({ title, outcomes, isOurs }) => report(title, reference, outcomes, isOurs));
  return {
    text: reports.map(({ text }) => text).join("\n"),
    unexplained: reports.reduce((sum, { unexplained }) => sum + unexplained, 0),
  };
}

async function onFresh(start: () => Promise<ComparedServer>, steerer: Steerer): Promise<Outcome[]> {
  await using server = await start();
  const outcomes: Outcome[] = [];
  for (const args of commandLines) outcomes.push(await run(steerer, server, args));
  return outcomes;
}

async function run({ words }: Steerer, { ports }: ComparedServer, args: readonly string[]): Promise<Outcome> {
  const [program = "", ...first] = words;
  const env = { TOXIPROXY_URL: `http://127.0.0.1:${ports.api}` };
  const finished = await runProgram(program, [...first, ...args], { env });
  return toOutcome(finished);
}

function toOutcome({ code, stdout, stderr }: Finished): Outcome {
  return { code, stdout: blank(stdout), stderr: `${blank(stderr).trimEnd()}\n` };
}

function blank(text: string): string {
  return text.replace(/127\.0\.0\.1:\d{5}\b/g, "127.0.0.1:{port}");
}

function report(
  title: string,
  reference: readonly Outcome[],
  outcomes: readonly Outcome[],
  isOurs: boolean,
): Comparison {
  const counts = new Map<string, number>();
  const unexplained: string[] = [];
  for (const [i, outcome] of outcomes.entries()) {
    const original = reference[i]!;
    if (isDeepStrictEqual(original, outcome)) continue;
    const [known] = KNOWN.find(([, applies]) => isOurs && applies(original, outcome)) ?? [];
    if (known !== undefined) counts.set(known, (counts.get(known) ?? 0) + 1);
    else unexplained.push(show(commandLines[i]!, original, outcome));
  }
  const explained = [...counts].map(([what, times]) => `  ${String(times).padStart(3)}  ${what}`);
  const same =
    outcomes.length - unexplained.length - [...counts.values()].reduce((sum, times) => sum + times, 0);
  const lines = [
    `${title}: ${outcomes.length} commands, ${same} the same in exit code and output`,
    ...explained,
    `${unexplained.length} differ for no known reason`,
    ...unexplained,
  ];
  return { text: `${lines.join("\n")}\n`, unexplained: unexplained.length };
}

function show(args: readonly string[], original: Outcome, outcome: Outcome): string {
  return `\n  ${args.join(" ")}\n  original: ${JSON.stringify(original)}\n  here:     ${JSON.stringify(outcome)}`;
}
