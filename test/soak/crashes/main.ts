// Crashes under load: node test/soak/crashes/main.ts --rounds 5 --rate 500
//
// Clients ask at a steady rate, on connections that are kept and on new ones, half of them of each of two threads. Meanwhile filters throw, workers
// crash and run out of memory, and a plugin in a process of its own crashes. A throwing filter may cost its own request alone; a plugin the
// requests in its process; a worker, however it dies, the connections that it has. What died is replaced within a second.
//
// Says what happens on stderr and what came of it on stdout; exits with 1 when anything was not as it should be.

import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startListening } from "../../e2e/sluice.ts";
import { createTemporaryDirectory } from "../../kit/files.ts";
import { INJURIES, injure, type Outcome } from "./injuries.ts";
import { Load } from "./load.ts";
import { openStage } from "./stage.ts";

/** So that a thread's heap is full soon; in megabytes. */
const HEAP = "--max-old-space-size=160";
/** Milliseconds between two injuries. */
const BREATH = 1_000;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    rate: { type: "string", default: "500" },
    threads: { type: "string", default: "2" },
  },
});

await using folder = await createTemporaryDirectory();
const { args, ports, origin } = await openStage(folder, Number(values.threads));
// A package has its JavaScript at hand; sources would be compiled anew for each worker, which takes twice as long.
const env = { NODE_OPTIONS: HEAP, NODE_COMPILE_CACHE: folder.join("cache") };
const options = { listeners: 2, cwd: folder.path, env };
const { program: filling } = await startListening(args, options);
filling.signal("SIGTERM");
await filling.exit();
const sluice = await startListening(args, options);
const began = performance.now();
const load = new Load(ports, Number(values.rate));
const outcomes: Outcome[] = [];
await delay(2_000);
for (let round = 0; round < Number(values.rounds); round++) {
  for (const injury of INJURIES) {
    const outcome = await injure(injury, ports[injury.port], load);
    outcomes.push(outcome);
    process.stderr.write(`${lineOf(outcome)}\n`);
    await delay(BREATH);
  }
}
await load.stop();
const seconds = (performance.now() - began) / 1_000;
await sluice[Symbol.asyncDispose]();
origin.closeAllConnections();
origin.close();

const problems = outcomes.flatMap(({ name, problems: found }) =>
  found.map((problem) => `${name}: ${problem}`),
);
const strays = load.failures.length - outcomes.reduce((sum, { hurt }) => sum + hurt.length, 0);
if (strays > 0) problems.push(`${strays} requests failed while nothing happened`);
process.stdout.write(verdict());
process.exitCode = problems.length === 0 ? 0 : 1;

function lineOf({ name, hurt, replacedIn }: Outcome): string {
  const back = replacedIn === null ? "" : `, back after ${Math.round(replacedIn)} ms`;
  return `${name}: ${hurt.length} other requests failed${back}`;
}

function verdict(): string {
  const kinds = INJURIES.map(({ name }) => {
    const of = outcomes.filter((outcome) => outcome.name === name);
    const hurt = of.map((outcome) => outcome.hurt.length);
    const back = of.flatMap(({ replacedIn }) => (replacedIn === null ? [] : [Math.round(replacedIn)]));
    const times = back.length === 0 ? "" : `; back after ${back.join(", ")} ms`;
    return `${name}: ${of.length} times, ${hurt.join(", ")} other requests failed${times}`;
  });
  return [
    `${load.answered} requests in ${seconds.toFixed(0)} s on ${load.connections} connections; ${load.failures.length} failed`,
    ...kinds,
    "what failed with a worker came on connections that it had: nobody else can go on with those",
    `longest wait for an answer: ${Math.round(load.longestWait)} ms`,
    ...problems.map((problem) => `PROBLEM: ${problem}`),
    problems.length === 0 ? "good" : "not good",
    "",
  ].join("\n");
}
