import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";

/** How often another one may be quicker before it is plain that something else is wrong. */
const MOST_ATTEMPTS = 10;

/** A file with our process number in it, for whoever sends us signals. */
export class PidFile {
  readonly #path: string;
  /** Whose it was before, and may be again; null: nobody's. */
  readonly #former: number | null;

  private constructor(path: string, former: number | null = null) {
    this.#path = path;
    this.#former = former;
  }

  /**
   * Of several processes that write the same file at the same moment one gets it.
   * @param former the process whose place this one takes, which may run still
   * @throws Error when the file belongs to a process that runs, or can't be written
   */
  static write(path: string, former: number | null = null): PidFile {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const text = read(path);
      const other = toPid(text);
      // A name that was mistaken must not cost what it stands for.
      if (other === null && text !== null && text.trim() !== "")
        throw unusable(path, new Error("it holds something else"));
      if (other === process.pid) return new PidFile(path);
      if (other !== null && other === former) return PidFile.#overwrite(path, former);
      if (other !== null && isRunning(other))
        throw new Error(`${path} belongs to process ${other}, which is running`);
      const outcome = createWhole(path);
      if (outcome === "made") return new PidFile(path);
      if (outcome === "closed" || !setAside(path, other)) return PidFile.#overwrite(path);
    }
    throw new Error(`${path} can't hold the process id: others write it, too`);
  }

  static #overwrite(path: string, former: number | null = null): PidFile {
    try {
      putNumber(path, process.pid);
    } catch (error) {
      throw unusable(path, error);
    }
    return new PidFile(path, former);
  }

  /** Gives the file back to whom it was taken from, unless another process has it by now. @throws Error when it can't be written */
  giveBack(): void {
    if (this.#former === null) this.remove();
    else if (readPid(this.#path) === process.pid) putNumber(this.#path, this.#former);
  }

  /** Removes the file, unless another process has taken it over. Where that isn't allowed any more it is left empty. */
  remove(): void {
    if (readPid(this.#path) !== process.pid) return;
    try {
      rmSync(this.#path, { force: true });
    } catch {
      truncateSync(this.#path);
    }
  }
}

/** In the place of what the file holds, which it goes on to hold where the disk is full. */
function putNumber(path: string, pid: number): void {
  const text = `${pid}\n`;
  const descriptor = openSync(path, constants.O_WRONLY | constants.O_CREAT);
  try {
    writeSync(descriptor, text);
    ftruncateSync(descriptor, text.length);
  } finally {
    closeSync(descriptor);
  }
}

/** What forbids to make and move files in a folder; one that is there may be written even so. */
const CLOSED: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS"]);

/** Makes the file with what it holds, at once, unless there is one. */
function createWhole(path: string): "made" | "there" | "closed" {
  const draft = `${path}.${process.pid}`;
  try {
    rmSync(draft, { force: true });
    // Never through a link that somebody has put there.
    writeFileSync(draft, `${process.pid}\n`, { flag: "wx" });
    linkSync(draft, path);
    return "made";
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return "there";
    if (CLOSED.has(code)) return "closed";
    throw unusable(path, error);
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Takes away a file that was left behind. It is looked at again once nobody else can reach it: another process may have
 * taken the place meanwhile, and gets its file back. False when files can't be moved there.
 */
function setAside(path: string, left: number | null): boolean {
  const aside = `${path}.${process.pid}.old`;
  try {
    renameSync(path, aside);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return true;
    if (CLOSED.has(code)) return false;
    throw unusable(path, error);
  }
  if (readPid(aside) !== left) restore(aside, path);
  rmSync(aside, { force: true });
  return true;
}

function restore(aside: string, path: string): void {
  try {
    linkSync(aside, path);
  } catch {
    // There is a newer one.
  }
}

function readPid(path: string): number | null {
  return toPid(read(path));
}

function toPid(text: string | null): number | null {
  const pid = Number.parseInt(text ?? "", 10);
  return Number.isInteger(pid) && pid > 0 ? pid : null;
}

/** What a file holds; null where there is none. Nobody is waited for at the other end of a pipe. @throws Error when it is no file */
function read(path: string): string | null {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!fstatSync(descriptor).isFile()) throw new Error("it is no regular file");
      return readFileSync(descriptor, "utf8");
    } finally {
      closeSync(descriptor);
    }
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
