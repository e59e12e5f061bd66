import type { Logger } from "pino";
import { idleAlarms } from "../base/alarms.ts";
import { FileChanges, type LookedAt } from "../control/reload/file-changes.ts";
import type { ReloadControl } from "../control/reload/reload-control.ts";
import type { Running } from "../control/running.ts";
import type { Beside } from "./beside.ts";

interface WatchMeans {
  readonly running: Pick<Running, "modules">;
  readonly beside: Pick<Beside, "settings">;
  readonly reloads: Pick<ReloadControl, "reload">;
  readonly log: Logger;
}

/**
 * Reloads whenever the configuration, its scenario, the program or one of its modules changes. Files of TLS, plugins and lists of servers
 * are looked at by those who use them.
 */
export function watchFiles({ running, beside, reloads, log }: WatchMeans): Disposable {
  const changes = new FileChanges({
    files: () => [...beside.settings.files.map(toLookedAt), ...running.modules],
    onChange: async (files) => {
      log.info({ files }, "Files have changed");
      // What is wrong stands in the log.
      await reloads.reload().catch(() => undefined);
    },
    onGone: (file) => log.warn({ file }, "A file is gone, or empty: what was read from it goes on"),
    clock: idleAlarms,
  });
  void changes.look();
  return changes;
}

function toLookedAt(path: string): LookedAt {
  return { path, digest: null };
}
