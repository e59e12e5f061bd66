import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { Logger } from "pino";
import { formatProblem } from "../config/config-error.ts";
import type { ConfigText } from "../config/load.ts";
import type { ReloadControl } from "../control/reload/reload-control.ts";
import { Reloader, type ReloadStatus } from "../control/reload/reloader.ts";
import type { ReloadPreview, ReloadReport } from "../control/reload/report.ts";
import type { Running } from "../control/running.ts";
import type { Notifier } from "../control/systemd/notifier.ts";
import type { Beside } from "./beside.ts";
import type { ServeSettings } from "./serve-settings.ts";

interface ReloadingMeans {
  readonly running: Running;
  readonly beside: Beside;
  readonly notifier: Notifier;
  readonly log: Logger;
}

type Reread = (other?: ConfigText) => Promise<ServeSettings>;

/** Has a process that serves run what its files hold by then. */
class ServedReloads implements ReloadControl {
  readonly #reloader: Reloader<ServeSettings>;
  readonly #reread: Reread;
  readonly #running: Running;

  constructor(first: ServeSettings, { running, beside, notifier, log }: ReloadingMeans) {
    this.#running = running;
    this.#reread = first.reread ?? (async (other) => sameAgain(first, other));
    this.#reloader = new Reloader({
      first,
      load: async () => {
        const next = await this.#reread();
        for (const warning of next.spec.snapshot?.warnings ?? []) log.warn(formatProblem(warning));
        return next;
      },
      apply: (next) => running.reload(next.spec, threadsOf(next), beside.prepare(next)),
      onReloading: (isReloading) => {
        if (isReloading) notifier.reloading();
        else notifier.ready(`Listening on ${running.addresses.join(", ")}`);
      },
      log,
    });
  }

  async status(): Promise<ReloadStatus> {
    return this.#reloader.status;
  }

  reload(): Promise<ReloadReport> {
    return this.#reloader.reload();
  }

  rollback(): Promise<ReloadReport> {
    return this.#reloader.rollback();
  }

  async preview(other: ConfigText | null): Promise<ReloadPreview> {
    const next = await (other === null || this.#isOwn(other) ? this.#reread() : this.#reread(other));
    return await this.#running.preview(next.spec, threadsOf(next));
  }

  /** The very file that the process reads itself: then its own variables count. */
  #isOwn({ file, text }: ConfigText): boolean {
    if (file !== this.#reloader.current.files[0]) return false;
    try {
      return readFileSync(file, "utf8") === text;
    } catch {
      return false;
    }
  }
}

/** @throws Error for any other one */
function sameAgain(first: ServeSettings, other: ConfigText | undefined): ServeSettings {
  if (other === undefined) return first;
  throw new Error("The process was started by flags alone: there is no configuration to be compared");
}

export function threadsOf({ threads }: ServeSettings): number {
  return threads ?? availableParallelism();
}

/** Where reloads are asked for, by whomever. What is asked while all begins is answered when it has begun. */
export class Reloads implements ReloadControl {
  readonly #begun = Promise.withResolvers<ReloadControl>();
  #isOver = false;

  /** @param isHeedful true: SIGHUP reloads from now on, and doesn't end the process any more */
  constructor(isHeedful: boolean) {
    // What came of it stands in the log.
    if (isHeedful) process.on("SIGHUP", () => void this.reload().catch(() => undefined));
  }

  begin(first: ServeSettings, means: ReloadingMeans): void {
    this.#begun.resolve(new ServedReloads(first, means));
  }

  /** Nothing is reloaded any more. */
  end(): void {
    this.#isOver = true;
  }

  async status(): Promise<ReloadStatus> {
    return await (await this.#begun.promise).status();
  }

  async reload(): Promise<ReloadReport> {
    return await (await this.#control()).reload();
  }

  async rollback(): Promise<ReloadReport> {
    return await (await this.#control()).rollback();
  }

  async preview(other: ConfigText | null): Promise<ReloadPreview> {
    return await (await this.#control()).preview(other);
  }

  async #control(): Promise<ReloadControl> {
    const control = await this.#begun.promise;
    if (this.#isOver) throw new Error("The process ends, and runs nothing else any more");
    return control;
  }
}
