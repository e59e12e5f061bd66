import { readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isMissing } from "./file-calls.ts";
import { OWNER } from "./file-names.ts";
import { isRunning } from "./this-process.ts";

/**
 * Whose a folder is: of one process, as long as that runs. During an upgrade there are two that want it; the later one waits, for two would fill
 * the disk twice, and know nothing of each other's purges.
 */
export class Ownership {
  readonly #path: string;
  readonly #process: string;
  /** Tells apart two that are in one process. */
  readonly #mark: string;

  constructor(folder: string, process: string, mark: string) {
    this.#path = join(folder, OWNER);
    this.#process = process;
    this.#mark = mark;
  }

  /** It is this one's from now on, whosever it was. */
  async claim(): Promise<void> {
    const passing = `${this.#path}.${this.#process}.${this.#mark}`;
    await writeFile(passing, this.#line, { mode: 0o600 });
    await rename(passing, this.#path);
  }

  /** Whose it is, as `thisProcess` names processes; one that is gone has it no longer. @rejects when nobody can tell */
  async look(): Promise<"mine" | "nobody" | { readonly process: string }> {
    const owner = await this.#read();
    if (owner === this.#line) return "mine";
    return owner !== null && isRunning(processOf(owner)) ? { process: processOf(owner) } : "nobody";
  }

  async release(): Promise<void> {
    const whose = await this.look().catch(() => null);
    if (whose === "mine") await unlink(this.#path).catch(() => undefined);
  }

  get #line(): string {
    return `${this.#process} ${this.#mark}\n`;
  }

  async #read(): Promise<string | null> {
    try {
      return await readFile(this.#path, "latin1");
    } catch (error) {
      // Too many open files, say, make it nobody's of whom it is.
      if (isMissing(error)) return null;
      throw error;
    }
  }
}

function processOf(line: string): string {
  return line.split(" ", 1)[0]!;
}
