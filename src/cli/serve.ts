import { availableParallelism } from "node:os";
import type { Logger } from "pino";
import type { Scenario } from "../config/scenario.ts";
import type { AdminSettings } from "../config/snapshot.ts";
import { setEngineFlags } from "../control/engine-flags.ts";
import { PidFile } from "../control/pid-file.ts";
import { type Running, startRunning } from "../control/running.ts";
import { runUntilSignal, type SignalTable } from "../control/signals.ts";
import { createErrorLog } from "../observe/error-log.ts";
import type { RunSpec } from "../worker/run-spec.ts";

export interface ServeSettings {
  readonly spec: RunSpec;
  /** Null: as many as there are processors. */
  readonly threads: number | null;
  /** Milliseconds that SIGTERM gives to requests under way. */
  readonly grace: number;
  readonly pidFile: string | null;
  readonly json: boolean;
  /** Where the admin API is mounted; null for nowhere. */
  readonly admin: AdminSettings | null;
  /** What is played while it runs. */
  readonly scenario: Scenario | null;
}

/** Runs in the foreground until a signal ends it. */
export async function serveUntilSignal(settings: ServeSettings): Promise<void> {
  const log = await createErrorLog(settings.spec.errorLog, "sluice");
  if (settings.spec.keyLog !== undefined) warnOfKeyLog(settings.spec.keyLog, log);
  const threads = settings.threads ?? availableParallelism();
  // Before anything is listened on: beside a process that runs already we must not take a single connection.
  const pidFile = settings.pidFile === null ? null : PidFile.write(settings.pidFile);
  try {
    const running = await startRunning(settings.spec, threads, log);
    setEngineFlags();
    await using companions = new AsyncDisposableStack();
    await startCompanions(settings, running, log, companions);
    announce(running, threads, settings.json);
    await runUntilSignal(running, settings.grace, log, signalsOf());
  } finally {
    pidFile?.remove();
  }
}

/** What signals ask for besides the end. An action's `ending` is for those that hand over to a successor. */
function signalsOf(): SignalTable {
  return {};
}

function warnOfKeyLog(file: string, log: Logger): void {
  log.warn(
    { file },
    "The secrets of TLS connections are written down: whoever reads them reads the connections",
  );
}

/** What runs beside the proxy: the admin API, a scenario. */
async function startCompanions(
  { admin, scenario, spec, json }: ServeSettings,
  running: Running,
  log: Logger,
  companions: AsyncDisposableStack,
): Promise<void> {
  if (admin !== null) {
    const { mountApi } = await import("./admin-api.ts");
    const onError = (error: unknown): void => log.error({ error }, "The admin API failed");
    const api = await mountApi({ running, address: admin.bind, token: admin.token, onError });
    companions.defer(() => api.close());
    announceApi(api.address, json);
  }
  if (scenario === null) return;
  const { playBeside } = await import("./scenario.ts");
  const play = playBeside(scenario, running.steering, spec.seed, log);
  companions.defer(() => play.stop());
}

function announceApi(address: string, json: boolean): void {
  process.stdout.write(
    json
      ? `${JSON.stringify({ event: "api", address: `http://${address}` })}\n`
      : `Admin API on http://${address}\n`,
  );
}

function announce({ addresses }: Running, threads: number, json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ event: "listening", addresses, threads, pid: process.pid })}\n`);
    return;
  }
  const where =
    threads === 0 ? "in the main thread" : `in ${threads} ${threads === 1 ? "thread" : "threads"}`;
  for (const address of addresses) process.stdout.write(`Listening on ${address} ${where}\n`);
}
