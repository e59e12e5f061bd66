import type { Bench } from "./bench.ts";
import { generatorFor } from "./load/choose.ts";
import { totalErrors } from "./load/load.ts";
import { cpuMicrosOf, memoryOf } from "./measure/process-tree.ts";
import { type Entrant, httpTarget, Participant, writeRequest } from "./participant.ts";
import type { Recording, Sample } from "./results.ts";
import type { HttpWorkload } from "./workloads.ts";

/**
 * Measures peers under load. All of them are up for the whole workload, and each round asks every
 * one in turn (A B C, A B C, …), so that whatever the machine does meanwhile meets all alike.
 */
export async function runLoad(
  workload: HttpWorkload,
  entrants: readonly Entrant[],
  bench: Bench,
): Promise<Recording[]> {
  const { settings, directory, progress } = bench;
  const requestFile = await writeRequest(workload, directory);
  const target = httpTarget(workload, bench);
  const participants = entrants.map((entrant) => new Participant(entrant, workload, bench, target));
  for (const participant of participants) await participant.start();
  for (const participant of participants) {
    await participant.run(async ({ name, port }) => {
      progress.step(`warm-up ${name}`);
      await drive(bench, workload, port, requestFile, settings.warmUpSeconds);
    });
  }
  for (let round = 1; round <= settings.rounds; round++) {
    for (const participant of participants) {
      await participant.record(async (started) => {
        const sample = await measure(bench, workload, started, requestFile);
        progress.step(`round ${round}/${settings.rounds} ${describe(participant.name, sample)}`);
        return sample;
      });
    }
  }
  for (const participant of participants) await participant.stop();
  return participants.map((participant) => participant.recording());
}

async function measure(
  bench: Bench,
  workload: HttpWorkload,
  { pid, port }: Participant,
  file: string,
): Promise<Sample> {
  const before = await cpuMicrosOf(pid);
  const result = await drive(bench, workload, port, file, bench.settings.seconds);
  const spent = (await cpuMicrosOf(pid)) - before;
  if (result.requests === 0) throw new Error("it answered no request");
  return {
    values: {
      cpuMicrosPerRequest: spent / result.requests,
      requestsPerSecond: result.requests / result.seconds,
      p50Micros: result.p50Micros,
      p99Micros: result.p99Micros,
      memoryBytes: await memoryOf(pid),
    },
    count: result.requests,
    errors: totalErrors(result.errors),
  };
}

async function drive(
  bench: Bench,
  workload: HttpWorkload,
  port: number,
  requestFile: string,
  seconds: number,
) {
  const { connections, streams, protocol, handshakes } = workload;
  const spec = { port, requestFile, connections, streams, seconds, protocol };
  const generator = generatorFor(workload, bench.generator);
  return await generator.run(handshakes === undefined ? spec : { ...spec, handshakes }, bench.pinning.load);
}

function describe(peer: string, { values, errors }: Sample): string {
  const micros = values.cpuMicrosPerRequest?.toFixed(1);
  const rate = Math.round(values.requestsPerSecond ?? 0).toLocaleString("en-US");
  return `${peer}: ${micros} µs/request, ${rate} requests/s${errors > 0 ? `, ${errors} errors` : ""}`;
}
