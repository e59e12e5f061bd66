import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Bench } from "./bench.ts";
import type { IdleReport, IdleSpec } from "./load/idle.ts";
import { openFileLimit } from "./measure/open-files.ts";
import { settledMemoryOf } from "./measure/process-tree.ts";
import { type Entrant, httpTarget, Participant, writeRequest } from "./participant.ts";
import { type Child, launch } from "./processes.ts";
import type { Recording, Sample } from "./results.ts";
import type { HttpWorkload } from "./workloads.ts";

const program = fileURLToPath(import.meta.resolve("./load/idle.ts"));

/** Connections of the warm-up load: enough to build what a proxy builds once. */
const warmUpConnections = 64;

/**
 * Measures what an idle keep-alive connection costs in memory. Every round starts the peer anew:
 * one that has held thousands of connections before would hold the next ones for nothing.
 */
export async function runIdle(
  workload: HttpWorkload,
  entrants: readonly Entrant[],
  bench: Bench,
): Promise<Recording[]> {
  const requestFile = await writeRequest(workload, bench.directory);
  const scaled = { ...workload, connections: possibleConnections(workload.connections, bench) };
  const target = httpTarget(workload, bench);
  const participants = entrants.map((entrant) => new Participant(entrant, scaled, bench, target));
  for (let round = 1; round <= bench.settings.rounds; round++) {
    for (const participant of participants) {
      await participant.start();
      await participant.record(async ({ pid, port }) => {
        const sample = await measure(bench, pid, { port, requestFile, connections: scaled.connections });
        const each = Math.round(sample.values.bytesPerConnection ?? 0).toLocaleString("en-US");
        bench.progress.step(
          `round ${round}/${bench.settings.rounds} ${participant.name}: ${each} bytes each`,
        );
        return sample;
      });
      await participant.stop();
    }
  }
  return participants.map((participant) => participant.recording());
}

async function measure(bench: Bench, pid: number, spec: IdleSpec): Promise<Sample> {
  const { settings, generator, pinning } = bench;
  const load = {
    ...spec,
    connections: warmUpConnections,
    seconds: settings.warmUpSeconds,
    protocol: "http1",
    streams: 1,
  } as const;
  await generator.run(load, pinning.load);
  const before = await settledMemoryOf(pid);
  const client = launch([process.execPath, program, JSON.stringify(spec)], { cpus: pinning.load });
  try {
    const reports = createInterface({ input: client.process.stdout ?? process.stdin });
    await nextReport(reports, client);
    const after = await settledMemoryOf(pid);
    client.process.stdin?.end();
    const { standing, problem } = await nextReport(reports, client);
    if (standing === 0) throw new Error(`no connection stands: ${problem}`);
    if (problem !== undefined) bench.progress.problem(`${spec.connections - standing} lost: ${problem}`);
    return {
      values: { bytesPerConnection: (after - before) / standing, memoryBytes: after },
      count: standing,
      errors: spec.connections - standing,
    };
  } finally {
    await client.stop();
  }
}

async function nextReport(lines: ReturnType<typeof createInterface>, client: Child): Promise<IdleReport> {
  const said = once(lines, "line").then(([line]) => String(line));
  const line = await Promise.race([said, client.exited]);
  if (typeof line !== "string") throw new Error(`the idle client ended: ${client.complaint()}`);
  return JSON.parse(line) as IdleReport;
}

/** As many as the limit of open files lets a proxy hold that opens an upstream for each. */
function possibleConnections(wanted: number, { progress }: Bench): number {
  const possible = Math.min(wanted, Math.floor((openFileLimit() - 512) / 2));
  if (possible < wanted) progress.step(`${possible} connections instead of ${wanted}: see ulimit -n`);
  return possible;
}
