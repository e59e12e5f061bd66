import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";

/** A log in a file. */
export interface LogFile {
  readonly path: string;
  /** Writes to whatever has its path by now. @throws Error when that can't be done; it goes on with what it had */
  reopen(): void;
}

/**
 * The logs of this thread. Whoever turns logs over moves their files away and says so: what is written from then on is in
 * new files.
 */
const open = new Set<LogFile>();

export function addLogFile(file: LogFile): void {
  open.add(file);
}

export function removeLogFile(file: LogFile): void {
  open.delete(file);
}

/** Writes all logs of this thread anew. Returns what is wrong with those that can't be. */
export function reopenLogFiles(): string[] {
  return [...open].flatMap((file) => {
    try {
      file.reopen();
      return [];
    } catch (error) {
      return [(error as Error).message];
    }
  });
}

const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;

/**
 * Opens what is only appended to. A pipe that nobody reads would be waited for by the whole thread, and so would one that is full: what
 * doesn't fit is refused (EAGAIN).
 * @throws Node's error, or one that says that nobody reads the pipe
 */
export function openAtOnce(path: string, mode: number = 0o666): number {
  try {
    return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENXIO") throw error;
    throw new Error(`nobody reads the pipe ${path}`, { cause: error });
  }
}

/**
 * Opens a log, and makes the folders on its way.
 * @throws Error that names it
 */
export function openToAppend(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return openAtOnce(path);
  } catch (error) {
    throw new Error(`The log ${path} can't be written: ${(error as Error).message}`, { cause: error });
  }
}

/** A file that is appended to, and opened anew when it is asked to be. */
export class AppendedFile implements LogFile {
  readonly path: string;
  readonly #open: (path: string) => number;
  #descriptor: number;

  /** @throws whatever `open` throws */
  constructor(path: string, open: (path: string) => number = openToAppend) {
    this.path = path;
    this.#open = open;
    this.#descriptor = open(path);
    addLogFile(this);
  }

  get descriptor(): number {
    return this.#descriptor;
  }

  reopen(): void {
    const descriptor = this.#open(this.path);
    closeSync(this.#descriptor);
    this.#descriptor = descriptor;
  }

  close(): void {
    removeLogFile(this);
    closeSync(this.#descriptor);
  }
}
