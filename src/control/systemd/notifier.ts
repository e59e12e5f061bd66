import { NotifySocket } from "./notify-socket.ts";

/** Who is told, one or several lines at once. */
export type TellManager = (lines: string) => void;

/**
 * Tells the service manager how we are: sd_notify(3). Where there is none nothing is told. What can't be told changes nothing here.
 */
export class Notifier {
  readonly #tell: TellManager | null;
  readonly #microseconds: () => bigint;
  readonly #onProblem: (problem: string) => void;
  #told = false;
  #isReloading = false;
  /** True as soon as it is no more this process's to say whether the service is ready. */
  #isOver = false;

  /** @param microseconds the monotonic clock of the system: CLOCK_MONOTONIC */
  constructor(
    tell: TellManager | null,
    onProblem: (problem: string) => void,
    microseconds: () => bigint = systemMicroseconds,
  ) {
    this.#tell = tell;
    this.#onProblem = onProblem;
    this.#microseconds = microseconds;
  }

  /** Speaks to the socket that the environment names in `NOTIFY_SOCKET`, if it names one. */
  static fromEnvironment(environment: NodeJS.ProcessEnv, onProblem: (problem: string) => void): Notifier {
    const path = environment["NOTIFY_SOCKET"];
    if (path === undefined || path === "") return new Notifier(null, onProblem);
    try {
      const socket = new NotifySocket(path);
      return new Notifier((lines) => socket.send(lines), onProblem);
    } catch (error) {
      onProblem((error as Error).message);
      return new Notifier(null, onProblem);
    }
  }

  /** True when there is a manager that listens. */
  get isWatched(): boolean {
    return this.#tell !== null;
  }

  /** We listen; also after a reload, whatever came of it. Nothing is said of it once the end has begun. */
  ready(status?: string): void {
    this.#isReloading = false;
    if (!this.#isOver) this.#say("READY=1", ...toStatus(status));
  }

  /** A reload begins; `ready` ends it. */
  reloading(status?: string): void {
    this.#isReloading = true;
    if (!this.#isOver)
      this.#say("RELOADING=1", `MONOTONIC_USEC=${this.#microseconds()}`, ...toStatus(status));
  }

  /** The end begins. */
  stopping(status?: string): void {
    this.#isOver = true;
    this.#say("STOPPING=1", ...toStatus(status));
  }

  /** Another process is the service from now on: told by either of both, before the old one ends. */
  mainPid(pid: number): void {
    // The manager waits for the end of a reload, and wouldn't hear it from this process any more.
    const ending = this.#isReloading && !this.#isOver ? ["READY=1"] : [];
    this.#isOver = true;
    this.#say(`MAINPID=${pid}`, ...ending);
  }

  /** A line for people. */
  status(text: string): void {
    this.#say(...toStatus(text));
  }

  /** All is well: see `Watchdog`. */
  alive(): void {
    this.#say("WATCHDOG=1");
  }

  #say(...lines: readonly string[]): void {
    if (this.#tell === null) return;
    try {
      this.#tell(lines.join("\n"));
      this.#told = true;
    } catch (error) {
      // Whoever has once listened has a reason not to, as when it starts anew itself.
      if (!this.#told) this.#onProblem((error as Error).message);
    }
  }
}

function toStatus(text: string | undefined): readonly string[] {
  return text === undefined ? [] : [`STATUS=${text.replace(/[\r\n]+/g, " ")}`];
}

function systemMicroseconds(): bigint {
  return process.hrtime.bigint() / 1000n;
}
