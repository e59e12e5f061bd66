import { availableParallelism } from "node:os";
import type { Logger } from "pino";
import { formatProblem } from "../config/config-error.ts";
import { Reloader } from "../control/reload/reloader.ts";
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

/** Has a process that serves run what its files hold by then; null: there are none to be read anew. */
export function createReloader(first: ServeSettings, means: ReloadingMeans): Reloader<ServeSettings> | null {
  const { running, beside, notifier, log } = means;
  const { reread } = first;
  if (reread === null) return null;
  return new Reloader({
    first,
    load: async () => {
      const next = await reread();
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

export function threadsOf({ threads }: ServeSettings): number {
  return threads ?? availableParallelism();
}

/** SIGHUP reloads, and what came of it stands in the log. One that comes while all begins is done when it has begun. */
export class Hangups {
  #reloader: Pick<Reloader<ServeSettings>, "reload"> | null = null;
  #isWanted = false;

  /** From now on it ends the process no more. */
  constructor() {
    process.on("SIGHUP", () => {
      this.#isWanted = true;
      this.#reload();
    });
  }

  attach(reloader: Pick<Reloader<ServeSettings>, "reload">): void {
    this.#reloader = reloader;
    if (this.#isWanted) this.#reload();
  }

  #reload(): void {
    this.#reloader?.reload().catch(() => undefined);
  }
}
