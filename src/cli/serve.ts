import { availableParallelism } from "node:os";
import type { Logger } from "pino";
import type { Scenario } from "../config/scenario.ts";
import type { AdminSettings, ProcessSettings } from "../config/snapshot.ts";
import { Ending } from "../control/ending.ts";
import { setEngineFlags } from "../control/engine-flags.ts";
import { PidFile } from "../control/pid-file.ts";
import { type Running, startRunning } from "../control/running.ts";
import { runUntilSignal } from "../control/signals.ts";
import { toInheritance } from "../control/upgrade/inheritance.ts";
import type { Predecessor } from "../control/upgrade/predecessor.ts";
import { createErrorLog } from "../observe/error-log.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import { enterPlace, Life } from "./life.ts";
import { meetPredecessor, Succession, type SuccessionSettings } from "./succession.ts";

export interface ServeSettings {
  readonly spec: RunSpec;
  /** Null: as many as there are processors. */
  readonly threads: number | null;
  /** Milliseconds that SIGTERM gives to requests under way. */
  readonly grace: number;
  readonly pidFile: string | null;
  readonly process: ProcessSettings;
  readonly json: boolean;
  /** Where the admin API is mounted; null for nowhere. */
  readonly admin: AdminSettings | null;
  /** What is played while it runs. */
  readonly scenario: Scenario | null;
  readonly succession: SuccessionSettings;
}

/** Runs in the foreground until a signal ends it. */
export async function serveUntilSignal(settings: ServeSettings): Promise<void> {
  enterPlace(settings.process);
  const log = await createErrorLog(settings.spec.errorLog, "sluice");
  using life = new Life(settings, log);
  if (settings.spec.keyLog !== undefined) warnOfKeyLog(settings.spec.keyLog, log);
  const predecessor = await meetPredecessor(settings.succession, log);
  try {
    await serve(settings, predecessor, life, log);
  } catch (error) {
    predecessor?.renounce((error as Error).message);
    throw error;
  }
}

async function serve(
  settings: ServeSettings,
  predecessor: Predecessor | null,
  life: Life,
  log: Logger,
): Promise<void> {
  const threads = settings.threads ?? availableParallelism();
  const inheritance = toInheritance(predecessor?.estate ?? null, life.sockets);
  // Before anything is listened on: beside a process that runs already we must not take a single connection.
  let pidFile = predecessor === null ? writePidFile(settings, null) : null;
  try {
    const running = await startRunning(settings.spec, threads, log, inheritance);
    setEngineFlags();
    const ending = new Ending();
    await using companions = new AsyncDisposableStack();
    const succession = await startCompanions(settings, running, ending, life, log, companions);
    for (const address of inheritance.sockets.closeRest())
      log.warn({ address }, "A socket was handed over that nobody listens on: it is closed");
    life.settle(
      running,
      [settings.succession.socket].filter((path) => path !== null),
    );
    if (predecessor !== null) pidFile = await takePlace(settings, running, predecessor);
    const terms = { grace: settings.grace, delay: settings.process.shutdownDelay, ending };
    const signals = { ...life.signals, ...succession.signals };
    // Whoever is told that it listens may end it at once.
    const ended = runUntilSignal(running, { ...terms, signals, onEnd: (how) => life.end(how) }, log);
    announce(running, threads, settings.json);
    life.begin(running);
    await ended;
  } finally {
    pidFile?.remove();
  }
}

/** All is listened on: from now on this process is what the other one was. */
async function takePlace(
  settings: ServeSettings,
  running: Running,
  predecessor: Predecessor,
): Promise<PidFile | null> {
  try {
    await predecessor.takeOver();
  } catch (error) {
    // What was accepted meanwhile is answered; the sockets are the other one's, with their files.
    running.succeed();
    await running.retire(settings.grace);
    throw error;
  }
  const pidFile = writePidFile(settings, predecessor.pid);
  predecessor.confirm();
  return pidFile;
}

function writePidFile({ pidFile }: ServeSettings, former: number | null): PidFile | null {
  return pidFile === null ? null : PidFile.write(pidFile, former);
}

/** Milliseconds in which the last words about an upgrade reach who asked for it by the admin API. */
const LAST_WORDS = 200;

function warnOfKeyLog(file: string, log: Logger): void {
  log.warn(
    { file },
    "The secrets of TLS connections are written down: whoever reads them reads the connections",
  );
}

/** What runs beside the proxy: the admin API, a scenario, whoever waits for a successor. */
async function startCompanions(
  settings: ServeSettings,
  running: Running,
  ending: Ending,
  life: Life,
  log: Logger,
  companions: AsyncDisposableStack,
): Promise<Succession> {
  const { admin, scenario, spec, json } = settings;
  const succession = await Succession.open({
    settings: settings.succession,
    ...{ running, ending, log },
    onSucceeded: (pid) => {
      life.notifier.mainPid(pid);
      // What listens beside the proxy makes room at once, and not only when the last connection is over.
      setTimeout(() => void companions.disposeAsync(), LAST_WORDS);
    },
  });
  companions.defer(() => succession.close());
  if (admin !== null) {
    const { mountApi } = await import("./admin-api.ts");
    const onError = (error: unknown): void => log.error({ error }, "The admin API failed");
    const api = await mountApi({
      running,
      health: life.health,
      upgrader: succession.upgrader,
      address: admin.bind,
      token: admin.token,
      onError,
    });
    companions.defer(() => api.close());
    announceApi(api.address, json);
  }
  if (settings.process.health !== null) {
    const { mountHealth } = await import("./health.ts");
    const health = await mountHealth(settings.process.health, life.health, running);
    companions.defer(() => health.close());
    announceHealth(health.address, json);
  }
  if (scenario === null) return succession;
  const { playBeside } = await import("./scenario.ts");
  const play = playBeside(scenario, running.steering, spec.seed, log);
  companions.defer(() => play.stop());
  return succession;
}

function announceApi(address: string, json: boolean): void {
  process.stdout.write(
    json
      ? `${JSON.stringify({ event: "api", address: `http://${address}` })}\n`
      : `Admin API on http://${address}\n`,
  );
}

function announceHealth(address: string, json: boolean): void {
  const line = json
    ? JSON.stringify({ event: "health", address: `http://${address}` })
    : `Health on http://${address}/health/ready`;
  process.stdout.write(`${line}\n`);
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
