import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { FromChild } from "./messages.ts";

/** A process of the run: client or origin. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;

  constructor(file: string, task: unknown, onMessage: (message: FromChild) => void) {
    this.#process = fork(join(import.meta.dirname, file), [JSON.stringify(task)], { execArgv: [] });
    this.#process.on("message", onMessage);
    this.#ended = new Promise((resolve) => this.#process.once("exit", () => resolve()));
  }

  /** Settles when it has ended, by whatever cause. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  async end(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}
