// A long run against the real program: npm run soak -- --help
//
// Says how it goes on stderr and what came of it on stdout; exits with 1 when anything was not as it should be.

import { Command } from "commander";
import { inMib } from "./memory.ts";
import { Soak, type SoakReport } from "./run.ts";

interface Options {
  readonly requests: string;
  readonly threads: string;
  readonly connections: string;
  readonly tls?: boolean;
  readonly http2?: boolean;
  readonly http2Clients?: boolean;
  readonly http2Servers?: boolean;
  readonly program?: string;
  readonly seed: string;
}

const examples = `
Examples:
  npm run soak -- --requests 100000             a minute or so
  npm run soak -- --tls --http2 --seed 7        the same again, with what was wrong in an earlier run
  npm run soak -- --program test/soak/programs/filtering.ts
`;

const options = new Command("npm run soak --")
  .description(
    "Sends all kinds of requests through sluice, to servers that fail in all ways, and compares every byte.",
  )
  .option("--requests <n>", "how many", "5000000")
  .option("--threads <n>", "threads of the proxy", "2")
  .option("--connections <n>", "clients at once", "128")
  .option("--tls", "everybody speaks TLS")
  .option("--http2", "clients and servers speak HTTP/2")
  .option("--http2-clients", "only the clients do")
  .option("--http2-servers", "only the servers do")
  .option("--program <file>", "run a program instead of the plain proxy, such as those in test/soak/programs")
  .option("--seed <n>", "makes a run again as it was", String(Date.now() % 1_000_000))
  .addHelpText("after", examples)
  .parse()
  .opts<Options>();

function show(report: SoakReport, seed: number): string {
  const { client, origin, seconds, memory, files, problems } = report;
  const { outcomes } = client;
  const rate = Math.round(client.started / seconds);
  const gib = (client.bodyBytes / 2 ** 30).toFixed(2);
  const uploads = `${origin.uploads} uploads (${(origin.uploadBytes / 2 ** 30).toFixed(2)} GiB)`;
  const left = `${outcomes.left} left by their client, ${outcomes.unanswered} behind the end of a connection`;
  return [
    `${client.started} requests in ${seconds.toFixed(0)} s, ${rate}/s, seed ${seed}`,
    `answers: ${outcomes.intact} intact (${gib} GiB compared), ${outcomes.refused} refused, ${outcomes.cut} cut`,
    `         ${outcomes.raced} raced, ${left}`,
    `origin:  ${uploads} compared, ${origin.faults} faults, ${origin.idleCloses} idle connections closed`,
    `connections: ${client.connections} from clients, ${origin.connections} to the origin`,
    `memory:  ${inMib(memory.warm)} after the warm-up, ${inMib(memory.end)} at the end, at most ` +
      `${inMib(memory.highest)}; ${inMib(memory.slope)} per million requests`,
    `descriptors: ${files.before} before, ${files.after} after`,
    ...problems.map((problem) => `PROBLEM: ${problem}`),
    problems.length === 0 ? "good" : "not good",
    "",
  ].join("\n");
}

const seed = Number(options.seed);
const soak = new Soak({
  requests: Number(options.requests),
  threads: Number(options.threads),
  connections: Number(options.connections),
  seed,
  program: options.program,
  tls: options.tls ?? false,
  http2Clients: options.http2 ?? options.http2Clients ?? false,
  http2Servers: options.http2 ?? options.http2Servers ?? false,
  onLine: (line) => process.stderr.write(`${line}\n`),
});
const report = await soak.run();
process.stdout.write(show(report, seed));
process.exitCode = report.problems.length === 0 ? 0 : 1;
