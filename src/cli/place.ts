import { HeldPidFile } from "../control/reload/held-pid-file.ts";
import type { Running } from "../control/running.ts";
import type { Predecessor } from "../control/upgrade/predecessor.ts";
import type { ServeSettings } from "./serve-settings.ts";

/** The process whose place it is. */
type Former = Pick<Predecessor, "pid" | "takeOver" | "confirm" | "renounce">;

/** What has begun to listen, and may end. */
type Begun = Pick<Running, "retire" | "stop">;

/**
 * The place that this process takes: one where nobody was, or that of another process.
 *
 *     claim ─▶ (all is listened on) ─┬─▶ take: it is ours
 *                                    └─▶ leave: it stays whose it was
 */
export class Place {
  readonly pidFile: HeldPidFile = new HeldPidFile();
  readonly #settings: Pick<ServeSettings, "pidFile" | "grace">;
  /** Null: nobody's place it is. */
  readonly #predecessor: Former | null;

  constructor(settings: Pick<ServeSettings, "pidFile" | "grace">, predecessor: Former | null) {
    this.#settings = settings;
    this.#predecessor = predecessor;
  }

  /** Before anything is listened on: beside a process that runs already we must not take a single connection. */
  claim(): void {
    if (this.#predecessor === null) this.pidFile.write(this.#settings.pidFile);
  }

  /** All is listened on: from now on this process is what the other one was. Rejects when that one goes on. */
  async take(): Promise<void> {
    const predecessor = this.#predecessor;
    if (predecessor === null) return;
    await predecessor.takeOver();
    this.pidFile.write(this.#settings.pidFile, predecessor.pid);
    await predecessor.confirm();
  }

  /**
   * It can't be had. Another process hears so first and goes on, with the sockets and their files; whom we have accepted meanwhile is
   * answered.
   */
  async leave(begun: Begun, reason: Error): Promise<void> {
    this.#predecessor?.renounce(reason.message);
    try {
      this.pidFile.giveBack();
    } finally {
      await (this.#predecessor === null ? begun.stop() : begun.retire(this.#settings.grace));
    }
  }
}
