import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Counts, FileReport, News, Order } from "./messages.ts";

export interface LaneLimits {
  /** Milliseconds that a test may take. */
  readonly testTimeout: number;
  /** Milliseconds that a file may say nothing; it is ended then. */
  readonly silence: number;
  /** Bytes of memory with which a process gets no further file: files leave behind what can't be collected. */
  readonly memory: number;
}

const program = join(import.meta.dirname, "lane.ts");
const nothing: Counts = { tests: 0, suites: 0, passed: 0, failed: 0, cancelled: 0, skipped: 0, todo: 0 };
/** Milliseconds to say what is open before a silent process is killed. */
const lastWords = 1000;

/** A process that runs files for us, see lane.ts. One file at a time. */
export class LaneProcess {
  readonly #child: ChildProcess;
  readonly #limits: LaneLimits;
  /** Not when its output is at an end: what a file has left running may hold that open. */
  readonly #ended = Promise.withResolvers<void>();
  #settle: (report: FileReport) => void = () => {};
  #watch: NodeJS.Timeout | undefined;
  #file = "";
  #output = "";
  #test = "none";
  #open = "";
  #isWorn = false;

  constructor(limits: LaneLimits) {
    this.#limits = limits;
    const execArgv = [`--test-timeout=${limits.testTimeout}`];
    // Within a test that node runs, its runner would think that this is one of its own files.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    this.#child = fork(program, { stdio: ["ignore", "pipe", "pipe", "ipc"], execArgv, env });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text;
      });
    }
    this.#child.on("message", (news: News) => this.#onNews(news));
    for (const end of ["exit", "error"]) this.#child.once(end, () => this.#ended.resolve());
    this.#child.on("close", (code, signal) => this.#onClose(signal ?? `code ${code}`));
    this.#child.on("error", (error) => this.#onClose(error.message));
  }

  /** Whether it takes no further file. */
  get isWorn(): boolean {
    return this.#isWorn;
  }

  /** Never rejects: whatever happens to the process is a failure of the file. */
  run(file: string): Promise<FileReport> {
    this.#file = file;
    this.#output = "";
    this.#test = "none";
    this.#heard();
    return new Promise((resolve) => {
      this.#settle = resolve;
      this.#tell({ kind: "run", file, timeout: this.#limits.testTimeout });
    });
  }

  /** Ends the process; resolves when it has. Its file must be over. */
  end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    return this.#ended.promise;
  }

  #tell(order: Order): void {
    // A process that ended tells so by its end.
    if (this.#child.connected) this.#child.send(order, () => {});
  }

  #onNews(news: News): void {
    if (news.kind === "open") {
      this.#open = `; open: ${news.resources.join(", ") || "nothing"}`;
      return;
    }
    this.#heard();
    if (news.kind === "test") this.#test = news.name;
    else this.#onDone(news.report, news.memory);
  }

  #onDone(report: FileReport, memory: number): void {
    clearTimeout(this.#watch);
    this.#isWorn ||= memory > this.#limits.memory;
    this.#settle({ ...report, text: this.#output + report.text });
  }

  #heard(): void {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#onSilence(), this.#limits.silence);
  }

  #onSilence(): void {
    this.#tell({ kind: "ask" });
    this.#watch = setTimeout(() => this.#child.kill("SIGKILL"), lastWords);
    this.#open = "; its event loop stands still";
  }

  #onClose(how: string): void {
    clearTimeout(this.#watch);
    this.#isWorn = true;
    const silent = this.#open === "" ? "" : `, silent for ${this.#limits.silence} ms${this.#open}`;
    const failures = `the process of ${this.#file} ended with ${how}${silent}; the test begun last: ${this.#test}`;
    const counts = { ...nothing, tests: 1, failed: 1 };
    const told = `${failures}\n${this.#output}`.trim();
    this.#settle({ ok: false, counts, text: this.#output, failures: told, processor: 0 });
  }
}
