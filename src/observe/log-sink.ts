import { closeSync, write } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { addLogFile, type LogFile, openToAppend, removeLogFile } from "../base/log-files.ts";

/** Characters gathered before a log is written; a timer writes what waits longer than a moment. */
const GATHERED = 8 * 1024;
const FLUSH_EVERY = 250;
/** Characters that may wait. A disk that is full or a pipe that nobody reads costs lines, never the memory. */
const MOST_WAITING = 4 * 1024 * 1024;
/** Milliseconds for what still waits at the end. */
const LAST_WORDS = 1_000;
const STDOUT = 1;

/**
 * Where log lines go: standard output or a file that is only appended to, so that several threads can write to it.
 * Lines are gathered and written asynchronously: logging doesn't stop the event loop. What can't be written is lost; it
 * doesn't take the proxy down, nor keep it from ending.
 */
export class LogSink implements LogFile {
  readonly path: string;
  #descriptor: number;
  /** What was written to until the file was opened anew, as long as a write to it is under way. */
  #former: number | null = null;
  readonly #timer: NodeJS.Timeout;
  #waiting = "";
  /** Null unless a write is under way, or to be tried again. */
  #outgoing: Buffer | null = null;
  #isWriting = false;

  /**
   * @param path a file, which is made with the folders on its way, or "stdout"
   * @throws Error when it can't be opened
   */
  constructor(path: string) {
    this.path = path;
    this.#descriptor = path === "stdout" ? STDOUT : openToAppend(path);
    if (path !== "stdout") addLogFile(this);
    this.#timer = setInterval(() => this.#flush(), FLUSH_EVERY);
    this.#timer.unref();
  }

  write(line: string): void {
    if (this.#waiting.length + line.length > MOST_WAITING) return;
    this.#waiting += line;
    if (this.#waiting.length >= GATHERED) this.#flush();
  }

  /** Lines from now on go to whatever has the path by now, and so do those that still wait. */
  reopen(): void {
    const descriptor = openToAppend(this.path);
    // A descriptor that is written to by another thread of Node's could be somebody else's by the time it gets there.
    if (this.#isWriting && this.#former === null) this.#former = this.#descriptor;
    else closeSync(this.#descriptor);
    this.#descriptor = descriptor;
  }

  /** Writes what waits, as far as that can be done within a second. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    removeLogFile(this);
    const end = performance.now() + LAST_WORDS;
    do {
      this.#flush();
      // Sessions that are cut at the end say so in the next turn.
      await delay(5);
    } while ((this.#outgoing !== null || this.#waiting !== "") && performance.now() < end);
    if (this.#descriptor !== STDOUT && !this.#isWriting) closeSync(this.#descriptor);
  }

  #flush(): void {
    if (this.#isWriting) return;
    if (this.#outgoing === null && this.#waiting !== "") {
      this.#outgoing = Buffer.from(this.#waiting);
      this.#waiting = "";
    }
    if (this.#outgoing !== null) this.#send(this.#outgoing);
  }

  #send(bytes: Buffer): void {
    this.#isWriting = true;
    write(this.#descriptor, bytes, (error, written) => {
      this.#isWriting = false;
      if (this.#former !== null) closeSync(this.#former);
      this.#former = null;
      // A reader that is slow may have more room the next time.
      if (error !== null) this.#outgoing = error.code === "EAGAIN" ? bytes : null;
      else this.#outgoing = written < bytes.length ? bytes.subarray(written) : null;
      if (error === null && (this.#outgoing !== null || this.#waiting.length >= GATHERED)) this.#flush();
    });
  }
}
