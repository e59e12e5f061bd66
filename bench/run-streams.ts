import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "./bench.ts";
import { StreamLoad } from "./load/streams.ts";
import { cpuMicrosOf, memoryOf } from "./measure/process-tree.ts";
import { type Entrant, Participant, type Target } from "./participant.ts";
import type { Recording, Sample } from "./results.ts";
import type { StreamWorkload } from "./workloads.ts";

/** Seconds of load that settle whether a proxy relays at all. */
const TRIAL = 0.1;

/** Measures proxies of bytes, all of them up at once and one after the other in each round, as those of HTTP. */
export async function runStreams(
  workload: StreamWorkload,
  entrants: readonly Entrant[],
  bench: Bench,
): Promise<Recording[]> {
  const { settings, pinning, progress } = bench;
  const load = await StreamLoad.start(pinning.load);
  const target = targetOf(load, workload);
  const participants = entrants.map((entrant) => new Participant(entrant, workload, bench, target));
  for (const participant of participants) await participant.start();
  for (const participant of participants) {
    await participant.run(async ({ name, port }) => {
      progress.step(`warm-up ${name}`);
      await load.run({ ...workload, port, seconds: settings.warmUpSeconds });
    });
  }
  for (let round = 1; round <= settings.rounds; round++) {
    for (const participant of participants) {
      await participant.record(async ({ name, pid, port }) => {
        const sample = await measure(load, workload, pid, port, settings.seconds);
        progress.step(`round ${round}/${settings.rounds} ${name}: ${describe(workload, sample)}`);
        return sample;
      });
    }
  }
  for (const participant of participants) await participant.stop();
  await load.stop();
  return participants.map((participant) => participant.recording());
}

function targetOf(load: StreamLoad, workload: StreamWorkload): Target {
  return {
    port: load.originPort,
    async ready(child, port) {
      for (let attempt = 0; attempt < 100 && !child.ended(); attempt++) {
        const { bytes } = await load.run({ ...workload, port, connections: 1, seconds: TRIAL });
        if (bytes > 0) return;
        await sleep(50);
      }
      throw new Error(child.ended() ? `it ended: ${child.complaint()}` : "it relays nothing");
    },
  };
}

async function measure(
  load: StreamLoad,
  workload: StreamWorkload,
  pid: number,
  port: number,
  seconds: number,
): Promise<Sample> {
  const before = await cpuMicrosOf(pid);
  const result = await load.run({ ...workload, port, seconds });
  const spent = (await cpuMicrosOf(pid)) - before;
  if (result.bytes === 0) throw new Error("it relayed nothing");
  const memoryBytes = await memoryOf(pid);
  const common = { memoryBytes, bytesPerSecond: result.bytes / result.seconds };
  if (workload.kind === "bulk") {
    const cpuMicrosPerGigabyte = spent / (result.bytes / 1e9);
    return { values: { ...common, cpuMicrosPerGigabyte }, count: result.bytes, errors: result.errors };
  }
  const { echoes, p50Micros, p99Micros } = result;
  const requestsPerSecond = echoes / result.seconds;
  const values = { ...common, cpuMicrosPerRequest: spent / echoes, requestsPerSecond, p50Micros, p99Micros };
  return { values, count: echoes, errors: result.errors };
}

function describe({ kind }: StreamWorkload, { values, errors }: Sample): string {
  const failed = errors > 0 ? `, ${errors} errors` : "";
  if (kind === "echo") {
    const rate = Math.round(values.requestsPerSecond ?? 0).toLocaleString("en-US");
    return `${values.cpuMicrosPerRequest?.toFixed(1)} µs/echo, ${rate} echoes/s${failed}`;
  }
  const millis = ((values.cpuMicrosPerGigabyte ?? 0) / 1000).toFixed(0);
  return `${millis} ms/GB, ${((values.bytesPerSecond ?? 0) / 1e9).toFixed(2)} GB/s${failed}`;
}
