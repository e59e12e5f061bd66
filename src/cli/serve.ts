import { availableParallelism } from "node:os";
import { PidFile } from "../control/pid-file.ts";
import { type Running, startRunning } from "../control/running.ts";
import { runUntilSignal } from "../control/signals.ts";
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
}

/** Runs in the foreground until a signal ends it. */
export async function serveUntilSignal(settings: ServeSettings): Promise<void> {
  const log = await createErrorLog(settings.spec.errorLog, "sluice");
  const threads = settings.threads ?? availableParallelism();
  // Before anything is listened on: beside a process that runs already we must not take a single connection.
  const pidFile = settings.pidFile === null ? null : PidFile.write(settings.pidFile);
  try {
    const running = await startRunning(settings.spec, threads, log);
    announce(running, threads, settings.json);
    await runUntilSignal(running, settings.grace, log);
  } finally {
    pidFile?.remove();
  }
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
