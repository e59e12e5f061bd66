import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import { idleAlarms } from "../base/alarms.ts";
import type { ProcessSettings } from "../config/snapshot.ts";
import type { Identity } from "../control/daemon/accounts.ts";
import { isInBackground, leaveForeground } from "../control/daemon/background.ts";
import { becomeUser } from "../control/daemon/privileges.ts";
import type { HowToEnd } from "../control/ending.ts";
import { Health } from "../control/health.ts";
import type { Running } from "../control/running.ts";
import type { SignalTable } from "../control/signals.ts";
import { takeActivation } from "../control/systemd/activation.ts";
import { Notifier } from "../control/systemd/notifier.ts";
import { Watchdog, watchdogInterval } from "../control/systemd/watchdog.ts";
import type { HandedSockets } from "../control/upgrade/inherited-sockets.ts";
import { setFutureOutput } from "../plugins/future-output.ts";
import { setFutureUser } from "../plugins/future-user.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import { ThreadCaller } from "../worker/thread-calls.ts";
import { identityOf } from "./accounts.ts";
import { UsageError } from "./errors.ts";

/** What of the settings concerns the process itself. */
export interface LifeSettings {
  readonly spec: RunSpec;
  readonly process: ProcessSettings;
  readonly pidFile: string | null;
  /** Null: there is nothing to be read again, and SIGHUP is what the system makes of it. */
  readonly reread: unknown;
}

/** Goes where the process is to be, before anything is opened. @throws UsageError when it can't */
export function enterPlace({ umask, workingDirectory }: ProcessSettings): void {
  if (umask !== null) process.umask(umask);
  if (workingDirectory === null) return;
  try {
    process.chdir(workingDirectory);
  } catch (error) {
    throw new UsageError(`working_directory: ${(error as Error).message}`);
  }
}

/**
 * A process from its start to its end, as those see it that it stands among: the terminal it was started from, the service
 * manager, orchestrators, the user it runs as.
 *
 *     new Life ─▶ (sockets are bound) ─▶ settle: becomes its user ─▶ begin: ready ─▶ end
 */
export class Life implements Disposable {
  readonly health: Health = new Health();
  readonly notifier: Notifier;
  /** What the service manager has bound for us. */
  readonly sockets: readonly HandedSockets[];
  readonly #settings: LifeSettings;
  readonly #log: Logger;
  /** Null: whoever started it. */
  readonly #identity: Identity | null;
  readonly #caller: ThreadCaller;
  readonly #interval: number | null;
  readonly #early: readonly NodeJS.Signals[];
  #watchdog: Watchdog | null = null;

  /** @throws UsageError when there is no such user, or nobody could read what is logged */
  constructor(settings: LifeSettings, log: Logger) {
    this.#early = settings.reread === null ? EARLY : [...EARLY, "SIGHUP"];
    for (const signal of this.#early) process.on(signal, ignore);
    // Whoever reads what is printed may have had enough of it.
    process.stdout.on("error", ignore);
    this.#settings = settings;
    this.#log = log;
    this.#identity = identityOf(settings.process);
    if (this.#identity !== null) setFutureUser(this.#identity);
    if (isInBackground) {
      checkLogs(settings.spec);
      setFutureOutput(settings.spec.errorLog.path);
    }
    const { sockets, refused } = takeActivation(process.env, process.pid);
    for (const socket of refused) log.warn({ socket }, "A socket of the service manager can't be used");
    this.sockets = sockets;
    this.notifier = Notifier.fromEnvironment(process.env, (problem) =>
      log.warn({ problem }, "The service manager can't be told how we are"),
    );
    this.#interval = watchdogInterval(process.env, process.pid);
    this.#caller = new ThreadCaller((problem) =>
      log.error({ problem }, "A log can't be written anew: it goes on where it was"),
    );
  }

  /** SIGUSR1 has logs written anew that were moved away. */
  get signals(): SignalTable {
    return {
      SIGUSR1: () => {
        this.#caller.reopenLogs();
        this.#log.info("Logs are written anew");
      },
    };
  }

  /** Everything is bound and open: the process becomes the user it is to be. @throws Error when it can't */
  settle(running: Running, others: readonly string[] = []): void {
    if (this.#identity === null) return;
    const { spec, pidFile } = this.#settings;
    const logs = [spec.errorLog.path, spec.accessLog?.path ?? null, spec.keyLog ?? null].filter(isFile);
    const sockets = running.addresses.filter((address) => /^unix:[^@]/.test(address));
    const made = [...[pidFile, running.plugins.folder].filter(isFile), ...running.cacheFiles];
    const files = [...logs, ...made, ...others];
    becomeUser(this.#identity, [...files, ...sockets.map((address) => address.slice("unix:".length))]);
    this.#checkReach([fileURLToPath(import.meta.url), ...[spec.program].filter(isFile)]);
    this.#checkLogFolders(logs);
  }

  /** It listens, and whoever waits for that is told. */
  begin(running: Running): void {
    this.health.begin({
      answered: () => running.answered(),
      get crashes() {
        return running.counters.workerCrashes;
      },
    });
    leaveForeground(this.#settings.spec.errorLog.path);
    this.notifier.ready(`Listening on ${running.addresses.join(", ")}`);
    if (this.#interval === null || !this.notifier.isWatched) return;
    const ask = (): Promise<void> => this.health.answered();
    this.#watchdog = new Watchdog(idleAlarms, this.#interval, ask, () => this.notifier.alive());
  }

  /** The end begins. A process that has handed over has nothing to tell: it isn't the service any more. */
  end(how: HowToEnd): void {
    this.health.phase = "draining";
    if (how === "handover") this.#watchdog?.stop();
    else this.notifier.stopping(how === "drain" ? "Draining" : "Stopping");
  }

  [Symbol.dispose](): void {
    for (const signal of this.#early) process.off(signal, ignore);
    process.stdout.off("error", ignore);
    this.#watchdog?.stop();
    this.#caller.close();
  }

  /** Threads that crash are replaced by others, which load everything anew. */
  #checkReach(files: readonly string[]): void {
    for (const file of files) {
      if (mayBe(file, constants.R_OK)) continue;
      const who = this.#identity?.name ?? this.#identity?.uid;
      throw new Error(`User ${who} can't read ${file}: a thread that crashes couldn't be replaced`);
    }
  }

  #checkLogFolders(logs: readonly string[]): void {
    for (const file of logs) {
      if (mayBe(dirname(file), constants.W_OK)) continue;
      const hint = "whoever moves it away has to make a new one";
      this.#log.warn({ file }, `This log's folder belongs to somebody else: ${hint}`);
    }
  }
}

/**
 * What nobody hears yet while the process starts, though its number may be known already: by SIGUSR1 Node would open a door for
 * debuggers, and the system would end the process by the other.
 */
const EARLY: readonly NodeJS.Signals[] = ["SIGUSR1", "SIGUSR2"];

function ignore(): void {}

/** In the background nobody sees what is printed. */
function checkLogs({ accessLog, errorLog }: RunSpec): void {
  if (accessLog?.path === "stdout")
    throw new UsageError(
      "in the background nobody sees standard output: name a file with access_log: {path: …}",
    );
  if (errorLog.path === null)
    process.stderr.write(
      "warning: what goes wrong in the background is told nobody: name a file with error_log\n",
    );
}

function isFile(path: string | null): path is string {
  return path !== null && path !== "stdout";
}

function mayBe(path: string, how: number): boolean {
  try {
    accessSync(path, how);
    return true;
  } catch {
    return false;
  }
}
