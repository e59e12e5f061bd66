/** How long nothing is written after the disk refused, in milliseconds. */
const REST = 10_000;
/** After so many milliseconds without trouble of a kind it is thought to be over. */
const OVER = 60_000;

/** What went wrong with a disk, as it is told to people. */
export interface DiskProblem {
  /** Node's code, as `ENOSPC`, or `DAMAGED`. */
  readonly code: string;
  readonly message: string;
  readonly cause: Error;
}

/** Tells of each kind of trouble once, until it is over: a full disk fails with every response. For one thread. */
export class Problems {
  /** When there was trouble last, by kind. */
  readonly #met: Map<string, number> = new Map();
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

  #report(what: string, cause: Error): void {
    const code = (cause as NodeJS.ErrnoException).code ?? "DAMAGED";
    const now = this.#now();
    const last = this.#met.get(code);
    this.#met.set(code, now);
    if (last === undefined || now - last >= OVER)
      this.#tell({ code, message: `The cache on disk can't be ${what}: ${cause.message}`, cause });
  }
}
