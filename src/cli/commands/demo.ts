import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { freshSeed } from "../../base/random.ts";
import { snapshotFromFlags } from "../../config/flags.ts";
import { setEngineFlags } from "../../control/engine-flags.ts";
import { type Running, startRunning } from "../../control/running.ts";
import { runUntilSignal } from "../../control/signals.ts";
import { createErrorLog } from "../../observe/error-log.ts";
import { instanceName, type RunSpec } from "../../worker/run-spec.ts";
import { type DemoOrigin, startDemoOrigin } from "../demo/origin.ts";
import { showPlan, showTotals, showVisit } from "../demo/screen.ts";
import { Visitor } from "../demo/visitor.ts";

/** Where the balancer listens if nobody else does. */
const PORT = 8080;

/** `sluice` without a command: three origins, a balancer before them and a visitor. */
export function addDemo(program: Command): void {
  program
    .command("demo", { isDefault: true })
    .description("the demonstration: three origins, a balancer before them, live requests")
    .action(runDemo);
}

async function runDemo(): Promise<void> {
  const origins = await Promise.all(["one", "two", "three"].map(startDemoOrigin));
  const threads = Math.max(2, Math.min(4, availableParallelism()));
  const running = await startBalancer(origins, threads);
  setEngineFlags();
  const address = running.addresses[0]!;
  showPlan(origins, address, threads);
  const visitor = new Visitor(Number(address.split(":").at(-1)), showVisit);
  visitor.start();
  const log = await createErrorLog({ level: "warn", path: null }, "sluice");
  await runUntilSignal(running, { grace: 1_000 }, log);
  visitor.stop();
  showTotals(running.counters);
  for (const origin of origins) origin.close();
}

/** On the usual port, or on any if that one is taken. */
async function startBalancer(origins: readonly DemoOrigin[], threads: number): Promise<Running> {
  try {
    return await start(origins, threads, PORT);
  } catch {
    return await start(origins, threads, 0);
  }
}

async function start(origins: readonly DemoOrigin[], threads: number, port: number): Promise<Running> {
  const upstream = origins.map((origin) => origin.address);
  const flags = { bind: [`127.0.0.1:${port}`], upstream, contextPath: null, host: null };
  const errorLog = { level: "warn", path: null } as const;
  const spec: RunSpec = {
    snapshot: snapshotFromFlags(flags),
    program: null,
    binds: [],
    accessLog: null,
    errorLog,
    instance: instanceName(),
    seed: freshSeed(),
  };
  return await startRunning(spec, threads, await createErrorLog(errorLog, "sluice"));
}
