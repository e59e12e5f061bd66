import { open, readFile, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { PurgeMemory } from "./purge-memory.ts";
import { adoptPurges, encodePurges } from "./stored-purges.ts";

export interface PurgeFileOptions {
  readonly path: string;
  /** Of `createPurges`. */
  readonly memory: SharedArrayBuffer;
  /** Tells this thread from others at the lock. */
  readonly thread: number;
  readonly onProblem: (error: Error) => void;
  /** Hears how many bytes the file has from now on. */
  readonly onSize?: (bytes: number) => void;
}

/**
 * Keeps purges in a file, beside what they are about, so that a restart undoes none. The file is always complete or not there at
 * all: who purges waits until it has the purge (`PurgeList.kept`), and where it can't be written it is removed. Without it all that was
 * stored before is revalidated.
 */
export class PurgeFile {
  readonly #path: string;
  readonly #memory: PurgeMemory;
  readonly #onProblem: (error: Error) => void;
  readonly #onSize: (bytes: number) => void;
  /** The generation that it has; null: it isn't this one's. */
  #saved: number | null = null;
  #isEnded = false;
  #work: Promise<void> = Promise.resolve();

  constructor({ path, memory, thread, onProblem, onSize }: PurgeFileOptions) {
    this.#path = path;
    this.#memory = new PurgeMemory(memory, thread);
    this.#onProblem = onProblem;
    this.#onSize = onSize ?? ((): void => undefined);
  }

  /** Resolves when what was stored before is judged by the purges of then; those of now are kept from here on. */
  async begin(): Promise<void> {
    this.#isEnded = false;
    const bytes = await this.#read();
    if (bytes !== null && !adoptPurges(this.#memory, bytes))
      this.#onProblem(new Error(`${this.#path} can't be understood: what is stored is revalidated`));
    await this.#save();
    this.#work = this.#run();
  }

  /** Nobody adds to it from here on but the one who has the file next. */
  async end(): Promise<void> {
    this.#isEnded = true;
    this.#memory.wakeKeeper();
    await this.#work;
    this.#memory.setKept(null);
  }

  /** The file is somebody else's: what that one keeps there is left alone. */
  async leave(): Promise<void> {
    this.#saved = null;
    await this.end();
  }

  async #run(): Promise<void> {
    for (;;) {
      const saved = this.#saved;
      if (saved === null) return;
      if (this.#memory.generation !== saved) await this.#save();
      else if (this.#isEnded) return;
      else await this.#memory.untilNext(saved);
    }
  }

  async #read(): Promise<Buffer | null> {
    try {
      return await readFile(this.#path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#onProblem(error as Error);
      return null;
    }
  }

  async #save(): Promise<void> {
    const { bytes, generation } = encodePurges(this.#memory);
    try {
      await replaceFile(this.#path, bytes);
      this.#onSize(bytes.length);
    } catch (error) {
      this.#onProblem(error as Error);
      await unlink(this.#path).catch(() => undefined);
      this.#onSize(0);
    }
    this.#saved = generation;
    this.#memory.setKept(generation);
  }
}

/** It is there as a whole or not at all, also after the power was off. */
async function replaceFile(path: string, bytes: Buffer): Promise<void> {
  const passing = `${path}.new`;
  const file = await open(passing, "w", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(passing, path);
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
