import { destination } from "pino";

/** Bytes gathered before a log is written; a timer writes what waits longer than a moment. */
const GATHER_BYTES = 8 * 1024;
const FLUSH_EVERY = 250;

/**
 * Where log lines go: standard output or a file that is only appended to, so that several threads can write to it.
 * Lines are gathered and written asynchronously: logging doesn't stop the event loop.
 */
export class LogSink {
  readonly #stream: ReturnType<typeof destination>;
  readonly #timer: NodeJS.Timeout;

  /** @param path a file, or "stdout" */
  constructor(path: string) {
    const target = path === "stdout" ? { fd: 1 } : { dest: path, append: true, mkdir: true };
    this.#stream = destination({ ...target, sync: false, minLength: GATHER_BYTES });
    // A full disk or a closed pipe loses log lines; it doesn't take the proxy down.
    this.#stream.on("error", () => undefined);
    this.#timer = setInterval(() => this.#stream.flush(), FLUSH_EVERY);
    this.#timer.unref();
  }

  write(line: string): void {
    this.#stream.write(line);
  }

  /** Opens the file again, after it was moved away. */
  reopen(): void {
    this.#stream.reopen();
  }

  /** Writes everything that waits. */
  close(): void {
    clearInterval(this.#timer);
    try {
      this.#stream.flushSync();
    } catch {
      // The stream was never opened, or is gone: there is nothing left to write to.
    }
  }
}
