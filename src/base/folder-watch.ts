import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";

/**
 * Hears of changes in a folder. Folders and not files are watched: an editor, and whoever else changes a file in one
 * step, puts another one in its place, and Kubernetes exchanges a link beside it.
 */
export class FolderWatch {
  readonly #folder: string;
  readonly #onChange: () => void;
  #watcher: FSWatcher | null = null;
  /** Which folder is watched: another one may have come by its name. */
  #identity = "";

  constructor(folder: string, onChange: () => void) {
    this.#folder = folder;
    this.#onChange = onChange;
  }

  /** Watches the folder that has this name now. Where that can't be done nothing is heard until the next call. */
  async renew(): Promise<void> {
    const identity = await stat(this.#folder).then(
      // Numbers are given out again, so the time of birth is part of it.
      ({ dev, ino, birthtimeMs }) => `${dev}:${ino}:${birthtimeMs}`,
      () => "",
    );
    if (this.#watcher !== null && identity === this.#identity) return;
    this.stop();
    this.#identity = identity;
    if (identity !== "") this.#watch();
  }

  stop(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  #watch(): void {
    try {
      this.#watcher = watch(this.#folder, { persistent: false }, this.#onChange);
      this.#watcher.on("error", () => this.stop());
    } catch {
      // The folder went, or the system has no watch left.
    }
  }
}
