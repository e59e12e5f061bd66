// A process that runs the tests of one file after the other, as it is told. Each process costs tenths of a second until
// it has loaded what nearly every test needs: most files take less for their tests.
//
// A file is over when its tests are and nothing keeps the process alive any more: what a file leaves open can't disturb
// the next one, it shows by the silence that follows.

import { run } from "node:test";
import { spec, type TestEvent } from "node:test/reporters";
import { pathToFileURL } from "node:url";
import type { Counts, FileReport, News, Order } from "./messages.ts";
import { processorTime } from "./processor-time.ts";

/** What node:test says of the whole in lines; the run adds up the numbers instead. */
const totals = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;

function tell(news: News): void {
  process.send?.(news);
}

/** Collects what the tests of a file say, and what came of them. */
class FileStory {
  readonly #begin = processorTime();
  readonly #reporter = new spec();
  readonly #chunks: string[] = [];

  constructor() {
    this.#reporter.on("data", (chunk: unknown) => this.#chunks.push(String(chunk)));
  }

  add(event: TestEvent): void {
    if (event.type === "test:dequeue") tell({ kind: "test", name: event.data.name });
    if (event.type === "test:diagnostic" && totals.test(event.data.message)) return;
    this.#reporter.write(event);
  }

  async end(ok: boolean, counts: Counts): Promise<FileReport> {
    const before = this.#chunks.length;
    await new Promise<void>((resolve) => {
      this.#reporter.on("end", resolve);
      this.#reporter.end();
    });
    const text = this.#chunks.slice(0, before).join("");
    const failures = this.#chunks
      .slice(before)
      .join("")
      .replace(/^.*failing tests:.*\n/m, "");
    return { ok, counts, text, failures: failures.trim(), processor: processorTime() - this.#begin };
  }
}

/** An error that a file throws behind its first test: node:test passes over it. */
async function errorOf(file: string): Promise<string | null> {
  try {
    await import(pathToFileURL(file).href);
    return null;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

async function finish(file: string, story: FileStory, success: boolean, counts: Counts): Promise<void> {
  process.channel?.ref();
  const report = await story.end(success && !process.exitCode, counts);
  const error = await errorOf(file);
  tell({
    kind: "done",
    report:
      error === null ? report : { ...report, ok: false, failures: `${report.failures}\n${error}`.trim() },
    memory: process.memoryUsage().rss,
  });
}

function runFile(file: string, timeout: number): void {
  const story = new FileStory();
  process.exitCode = undefined;
  process.channel?.unref();
  run({ files: [file], isolation: "none", timeout }).on("data", (event: TestEvent) => {
    if (event.type !== "test:summary") story.add(event);
    else void finish(file, story, event.data.success, { failed: 0, ...event.data.counts });
  });
}

process.on("message", (order: Order) => {
  if (order.kind === "run") runFile(order.file, order.timeout);
  else tell({ kind: "open", resources: process.getActiveResourcesInfo() });
});

// Nobody waits for anything any more, be it that all is over or that the run was broken off.
process.on("disconnect", () => process.exit());
