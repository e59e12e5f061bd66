// A long run against the real program: node test/soak/main.ts --requests 5000000 --threads 2 --connections 128 --seed 1
//
// With --tls everybody speaks TLS; with --http2 clients and servers speak HTTP/2, with --http2-clients or --http2-servers
// only these do.
//
// With --program FILE a program is run instead of the plain proxy, such as those in test/soak/programs.
//
// Says how it goes on stderr and what came of it on stdout; exits with 1 when anything was not as it should be.

import { parseArgs } from "node:util";
import { inMib } from "./memory.ts";
import { Soak, type SoakReport } from "./run.ts";

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "5000000" },
    threads: { type: "string", default: "2" },
    connections: { type: "string", default: "128" },
    tls: { type: "boolean", default: false },
    http2: { type: "boolean", default: false },
    "http2-clients": { type: "boolean", default: false },
    "http2-servers": { type: "boolean", default: false },
    program: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});

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

const seed = Number(values.seed);
const soak = new Soak({
  requests: Number(values.requests),
  threads: Number(values.threads),
  connections: Number(values.connections),
  seed,
  program: values.program,
  tls: values.tls,
  http2Clients: values.http2 || values["http2-clients"],
  http2Servers: values.http2 || values["http2-servers"],
  onLine: (line) => process.stderr.write(`${line}\n`),
});
const report = await soak.run();
process.stdout.write(show(report, seed));
process.exitCode = report.problems.length === 0 ? 0 : 1;
