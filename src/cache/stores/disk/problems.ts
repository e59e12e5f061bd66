/** How long nothing is written after the disk refused, in milliseconds. */
const REST = 10_000;

/** What went wrong with a disk, as it is told to people. */
export interface DiskProblem {
  /** Node's code, as `ENOSPC`, or `DAMAGED`. */
  readonly code: string;
  readonly message: string;
  readonly cause: Error;
}

/** Tells of each kind of trouble once, until it is over: a full disk fails with every response. */
export class Problems {
  readonly #told: Set<string> = new Set();
  readonly #tell: (problem: DiskProblem) => void;
  readonly #now: () => number;
  #restsUntil = 0;

  constructor(tell: (problem: DiskProblem) => void, now: () => number) {
    this.#tell = tell;
    this.#now = now;
  }

  /** Whether the disk is left alone for a while. */
  get isResting(): boolean {
    return this.#restsUntil !== 0 && this.#now() < this.#restsUntil;
  }

  onReadError(cause: Error): void {
    this.#report("read", cause);
  }

  onWriteError(cause: Error): void {
    this.#restsUntil = this.#now() + REST;
    this.#report("written", cause);
  }

  onWritten(): void {
    if (this.#told.size > 0) this.#told.clear();
  }

  #report(what: string, cause: Error): void {
    const code = (cause as NodeJS.ErrnoException).code ?? "DAMAGED";
    if (this.#told.has(code)) return;
    this.#told.add(code);
    this.#tell({ code, message: `The cache on disk can't be ${what}: ${cause.message}`, cause });
  }
}
