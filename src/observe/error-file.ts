import { writeSync } from "node:fs";
import { AppendedFile } from "../base/log-files.ts";

/** Where a logger writes its lines: each at once, so that the last words of a crash are there. */
export class ErrorFile {
  readonly #file: AppendedFile;

  /** @throws Error when it can't be opened */
  constructor(path: string) {
    this.#file = new AppendedFile(path);
  }

  get file(): string {
    return this.#file.path;
  }

  write(line: string): void {
    try {
      writeSync(this.#file.descriptor, line);
    } catch {
      // A full disk must not end the proxy.
    }
  }

  end(): void {
    this.#file.close();
  }
}
