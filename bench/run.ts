import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bench, Settings } from "./bench.ts";
import { makeCertificate } from "./certificate.ts";
import { hasH2load } from "./load/h2load.ts";
import { isHttp2 } from "./load/load.ts";
import { ownGenerator } from "./load/own.ts";
import { hasWrk, wrk } from "./load/wrk.ts";
import { describeMachine } from "./measure/machine.ts";
import { planPinning } from "./measure/pinning.ts";
import { startOrigin } from "./origin/origin.ts";
import { type Entrant, httpTarget, Participant, protocolOf } from "./participant.ts";
import type { Availability, Peer } from "./peers/peer.ts";
import type { Progress } from "./report/progress.ts";
import { type Missing, type Report, setupLines } from "./report/report.ts";
import { type Recording, summarize, type WorkloadResult } from "./results.ts";
import { runIdle } from "./run-idle.ts";
import { runLoad } from "./run-load.ts";
import { runStreams } from "./run-streams.ts";
import type { Workload } from "./workloads.ts";

/** How long a peer has to show that it can do what a workload is about. */
const TRIAL_SECONDS = 10;

/** Measures the peers that are there under each workload, one workload after the other. */
export async function runAll(
  settings: Settings,
  peers: readonly Peer[],
  workloads: readonly Workload[],
  progress: Progress,
): Promise<Report> {
  const needed = peers.filter((peer) => workloads.some((workload) => takesPart(peer, workload)));
  const { entrants, missing } = await prepareAll(needed, progress);
  const bench = await setUp(settings, progress);
  const setup = setupLines(bench, peers);
  for (const line of setup) progress.section(line);
  const results: WorkloadResult[] = [];
  for (const workload of workloads) {
    const taking = entrants.filter(({ peer }) => takesPart(peer, workload));
    const able = await ableOnes(workload, taking, bench, missing);
    if (able.length > 0) results.push(await runOne(workload, able, bench));
  }
  await bench.origin.stop();
  return { machine: describeMachine(), settings, setup, results, missing };
}

async function setUp(settings: Settings, progress: Progress): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const pinning = planPinning(settings.threads);
  const certificate = await makeCertificate(directory);
  const origin = await startOrigin(directory, pinning.load);
  const name = settings.generator ?? (hasWrk() ? "wrk" : "own");
  const generator = name === "wrk" ? wrk : ownGenerator;
  return { settings, origin, generator, certificate, pinning, directory, progress };
}

/** Finds out who is there, and has those build what they need to. */
async function prepareAll(
  peers: readonly Peer[],
  progress: Progress,
): Promise<{ entrants: Entrant[]; missing: Missing[] }> {
  const entrants: Entrant[] = [];
  const missing: Missing[] = [];
  for (const peer of peers) {
    const availability = await prepare(peer, progress);
    if (availability.ready) {
      entrants.push({ peer, version: availability.version });
    } else {
      missing.push({ peer: peer.name, how: availability.how });
      progress.problem(`not measured: ${peer.name} (${availability.how})`);
    }
  }
  return { entrants, missing };
}

async function prepare(peer: Peer, progress: Progress): Promise<Availability> {
  const availability = await peer.available();
  if (!availability.ready || peer.prepare === undefined) return availability;
  progress.step(`building ${peer.name}`);
  return await peer.prepare().then(
    () => availability,
    (error: unknown) => ({ ready: false, how: String(error) }),
  );
}

function takesPart({ name, onlyIn, speaks = ["http1"] }: Peer, workload: Workload): boolean {
  if (!speaks.includes(protocolOf(workload))) return false;
  return workload.only?.includes(name) ?? onlyIn?.includes(workload.name) ?? true;
}

/**
 * Those that can do what the workload is about; the others are added to the `missing`. In HTTP/1 without TLS all are,
 * and one that fails is broken. Beyond that it may be too old, built without it, or not have it yet: that is found out
 * with the workload's own request.
 */
async function ableOnes(
  workload: Workload,
  entrants: readonly Entrant[],
  bench: Bench,
  missing: Missing[],
): Promise<readonly Entrant[]> {
  if (!("protocol" in workload) || workload.protocol === "http1") return entrants;
  if (isHttp2(workload.protocol) && !hasH2load()) {
    missing.push({ peer: workload.name, how: "apt-get install nghttp2-client" });
    return [];
  }
  const able: Entrant[] = [];
  for (const entrant of entrants) {
    const trial = new Participant(entrant, workload, bench, httpTarget(workload, bench, TRIAL_SECONDS));
    await trial.start();
    await trial.stop();
    const { failure } = trial.recording();
    if (failure === undefined) able.push(entrant);
    else
      missing.push({
        peer: `${entrant.peer.name} in ${workload.name}`,
        how: `it doesn't speak that yet, or not here: ${failure}`,
      });
  }
  return able;
}

function record(workload: Workload, entrants: readonly Entrant[], bench: Bench): Promise<Recording[]> {
  switch (workload.kind) {
    case "load":
      return runLoad(workload, entrants, bench);
    case "idle":
      return runIdle(workload, entrants, bench);
    case "echo":
    case "bulk":
      return runStreams(workload, entrants, bench);
  }
}

async function runOne(
  workload: Workload,
  entrants: readonly Entrant[],
  bench: Bench,
): Promise<WorkloadResult> {
  bench.progress.section(`${workload.name}: ${workload.title}`);
  return summarize(workload, await record(workload, entrants, bench));
}
