import { readFileSync, rmSync, writeFileSync } from "node:fs";

/** A file with our process number in it, for whoever sends us signals. */
export class PidFile {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** @throws Error when the file belongs to a process that runs, or can't be written */
  static write(path: string): PidFile {
    const other = readPid(path);
    if (other !== null && other !== process.pid && isRunning(other)) {
      throw new Error(`${path} belongs to process ${other}, which is running`);
    }
    try {
      writeFileSync(path, `${process.pid}\n`);
    } catch (error) {
      throw unusable(path, error);
    }
    return new PidFile(path);
  }

  /** Removes the file, unless another process has taken it over. */
  remove(): void {
    if (readPid(this.#path) === process.pid) rmSync(this.#path, { force: true });
  }
}

function readPid(path: string): number | null {
  try {
    const pid = Number.parseInt(readFileSync(path, "utf8"), 10);
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw unusable(path, error);
  }
}

function unusable(path: string, error: unknown): Error {
  return new Error(`${path} can't hold the process id: ${(error as Error).message}`, { cause: error });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
