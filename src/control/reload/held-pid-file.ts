import { realpathSync } from "node:fs";
import { PidFile } from "../pid-file.ts";
import { NOTHING_TO_DO, type ReadyPart } from "./part.ts";

/** The file with our process number, which may become another one while the process runs. */
export class HeldPidFile {
  #path: string | null = null;
  #file: PidFile | null = null;

  /** @param former the process whose place this one takes. @throws as `PidFile.write` */
  write(path: string | null, former: number | null = null): void {
    this.#path = path;
    this.#file = path === null ? null : PidFile.write(path, former);
  }

  /** Writes the other one; the one before goes when that is committed. @throws as `PidFile.write` */
  prepare(path: string | null): ReadyPart {
    if (path === this.#path) return NOTHING_TO_DO;
    const before = this.#file;
    const file = path === null ? null : PidFile.write(path);
    if (isSame(path, this.#path)) return NOTHING_TO_DO;
    return {
      commit: () => {
        before?.remove();
        this.#path = path;
        this.#file = file;
      },
      abandon: () => file?.remove(),
    };
  }

  /** A process that was to take our place may have written its number, and hasn't the place. @throws as `PidFile.write` */
  reclaim(from: number): void {
    if (this.#path !== null) this.#file = PidFile.write(this.#path, from);
  }

  /** The place wasn't to be had: it is again whose it was before. @throws Error when it can't be written */
  giveBack(): void {
    this.#file?.giveBack();
    this.#file = null;
  }

  remove(): void {
    this.#file?.remove();
  }
}

/** Whether both lead to the one file, which is there. */
function isSame(one: string | null, other: string | null): boolean {
  if (one === null || other === null) return false;
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    // Somebody has removed ours.
    return false;
  }
}
