import type { Logger } from "pino";
import type { Ending } from "../control/ending.ts";
import type { Running } from "../control/running.ts";
import type { SignalTable } from "../control/signals.ts";
import { canPassDescriptors } from "../control/upgrade/descriptors.ts";
import { type CommandLine, takeSuccession } from "../control/upgrade/launch.ts";
import type { Introduction } from "../control/upgrade/manners.ts";
import { Predecessor } from "../control/upgrade/predecessor.ts";
import { privateSocketOf, UpgradeSocket } from "../control/upgrade/upgrade-socket.ts";
import { DEFAULT_UPGRADE_TIMEOUT, Upgrader } from "../control/upgrade/upgrader.ts";
import { identityOf } from "./accounts.ts";
import { UsageError } from "./errors.ts";
import { pidIn } from "./pid.ts";
import type { ServeSettings, SuccessionSettings } from "./serve-settings.ts";
import { version } from "./version.ts";

/** Before anybody has left for another folder: a successor is started where this process was. */
const STARTED_IN = process.cwd();

function introduction(): Introduction {
  return { pid: process.pid, version: version() };
}

/** How this process was started: Node, the program, a command and its flags. */
function ownCommand(): CommandLine {
  const [executable, program, command, ...flags] = [process.execPath, ...process.argv.slice(1)] as const;
  const start = [...process.execArgv, program!, command!];
  // Right behind the command: it isn't a flag any more behind `--`, nor behind a flag that takes a value.
  return {
    executable,
    args: [...start, ...flags],
    testArgs: [...start, "--test", ...flags],
    folder: STARTED_IN,
  };
}

/**
 * Whoever has the place that this process is to take; null: nobody. Kept when it has handed over everything; for how long that takes, is
 * up to whoever sends it a signal.
 */
export async function meetPredecessor(
  { succession: { takesOver, socket }, pidFile, process: settings }: ServeSettings,
  log: Logger,
): Promise<Predecessor | null> {
  const descriptor = takeSuccession(process.env);
  if (descriptor !== null) return await Predecessor.inherit(descriptor, introduction());
  if (!takesOver) return null;
  if (socket === null)
    throw new UsageError("-u needs to know where the process listens that it succeeds: upgrade_sock: PATH");
  if (!canPassDescriptors) throw new Error("Sockets can be handed over on Linux only, on x64 and arm64");
  log.info({ upgrade_sock: socket }, "Waiting for the sockets of the process that runs: send it SIGQUIT");
  const expected = { pid: pidFile === null ? null : pidIn(pidFile), uid: identityOf(settings)?.uid ?? null };
  return await Predecessor.waitAt(socket, introduction(), expected);
}

/** What an upgrade needs of a process that runs. */
export interface SuccessionMeans {
  readonly settings: SuccessionSettings;
  readonly running: Running;
  readonly ending: Ending;
  readonly log: Logger;
  /** Hears of the successor, as soon as it has everything. */
  onSucceeded(pid: number): void;
  /** Hears of one that was given the place and hasn't taken it. @throws Error when what it left can't be put right */
  onKept(pid: number): void;
}

/** What lets another process take the place of this one, until it is closed. */
export class Succession {
  readonly upgrader: Upgrader;
  readonly #means: SuccessionMeans;
  readonly #sockets: UpgradeSocket[] = [];

  private constructor(means: SuccessionMeans) {
    const { running, ending, log } = means;
    this.#means = means;
    this.upgrader = new Upgrader({
      self: introduction(),
      command: canPassDescriptors ? ownCommand() : null,
      pause: () => running.pause(),
      estate: () => running.estate(),
      onSucceeded: (pid) => {
        log.info({ successor: pid }, "Another process has taken the place of this one");
        running.succeed();
        means.onSucceeded(pid);
        ending.want("handover");
      },
      onKept: (pid) => {
        try {
          means.onKept(pid);
        } catch (error) {
          log.error({ cause: (error as Error).message }, "The pid file can't be had back");
        }
      },
    });
  }

  /** Listens for successors and for `sluice upgrade`. Rejects when it can't listen where it was told to. */
  static async open(means: SuccessionMeans): Promise<Succession> {
    const succession = new Succession(means);
    if (canPassDescriptors) await succession.#listen();
    return succession;
  }

  /** SIGUSR2 starts a successor; SIGQUIT hands over to one that was started with `-u`. */
  get signals(): SignalTable {
    const { settings } = this.#means;
    return {
      SIGUSR2: () => this.#report(this.upgrader.start(DEFAULT_UPGRADE_TIMEOUT, this.#say)),
      // Without a place to meet nobody can come: then it is what it is to others, a slow end.
      SIGQUIT: (ending) => {
        if (settings.socket === null) ending.want("drain");
        else this.#report(this.upgrader.handOver(DEFAULT_UPGRADE_TIMEOUT, this.#say));
      },
    };
  }

  /** Listens no more. */
  close(): void {
    for (const socket of this.#sockets) socket.close();
  }

  readonly #say = (step: string): void => {
    this.#means.log.info(step);
  };

  #report(upgrade: Promise<number>): void {
    upgrade.catch((error: Error) =>
      this.#means.log.error(
        { cause: error.message },
        "No other process has taken the place of this one, which goes on",
      ),
    );
  }

  async #listen(): Promise<void> {
    const { settings, running, log } = this.#means;
    try {
      this.#sockets.push(await UpgradeSocket.open({ path: privateSocketOf(process.pid) }, this.upgrader));
    } catch (error) {
      // Signals and the admin API are heard all the same.
      log.debug({ cause: (error as Error).message }, "sluice upgrade can't find this process by its number");
    }
    if (settings.socket === null) return;
    const { fds } = await running.lend(`unix:${settings.socket}`, "upgrade_sock", true);
    for (const fd of fds) this.#sockets.push(await UpgradeSocket.open({ fd }, this.upgrader));
  }
}
