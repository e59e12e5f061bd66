import { readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OWNER } from "./file-names.ts";
import { isRunning } from "./this-process.ts";

/**
 * Which process may change a folder: the one that said so last, as long as it runs. During an upgrade there are two for a while; both read, and
 * only the later one writes, or they would fill the disk twice.
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

  /** @returns whether somebody else had it, who may still be writing */
  async claim(): Promise<boolean> {
    const before = await this.#read();
    const passing = `${this.#path}.${this.#process}.${this.#mark}`;
    await writeFile(passing, this.#line, { mode: 0o600 });
    await rename(passing, this.#path);
    return before !== null && before !== this.#line && isRunning(processOf(before));
  }

  /** Whether it is this one; one whose process is gone has it no longer. */
  async look(): Promise<"mine" | "other" | "nobody"> {
    const owner = await this.#read();
    if (owner === this.#line) return "mine";
    return owner !== null && isRunning(processOf(owner)) ? "other" : "nobody";
  }

  async release(): Promise<void> {
    if ((await this.look()) === "mine") await unlink(this.#path).catch(() => undefined);
  }

  get #line(): string {
    return `${this.#process} ${this.#mark}\n`;
  }

  async #read(): Promise<string | null> {
    try {
      return await readFile(this.#path, "latin1");
    } catch {
      return null;
    }
  }
}

function processOf(line: string): string {
  return line.split(" ", 1)[0]!;
}
