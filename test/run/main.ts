// Runs the tests: node test/run/main.ts [--lanes N] [--slowest N] [PATTERN ...]
//
// Tells of each file when it is over, with its tests, and at the end what failed, what took longest (ten files, or as many as
// are asked for) and how many tests there were. Exits with 1 when anything was not as it should be. A single file runs by
// itself too: node --test FILE.

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { findTestFiles } from "./files.ts";
import type { Counts } from "./messages.ts";
import { processorTime } from "./processor-time.ts";
import { type FinishedFile, runTestFiles } from "./test-run.ts";
import { warmUp } from "./warm-up.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { lanes: { type: "string" }, slowest: { type: "string", default: "10" } },
});

const everything = ["src/**/*.test.ts", "test/!(soak|peers|package)/**/*.test.ts"];
/**
 * Files wait for their timers and for other processes most of the time: on the average one takes 0.37 of a processor. With as many
 * lanes as processors and one more, two processors had nothing to do for a quarter of the run; with these, for a tenth. More would
 * be a little faster, and make of each test one on a busy machine.
 */
const lanes = Number(values.lanes ?? 2 * availableParallelism());
const limits = { testTimeout: 60_000, silence: 120_000, memory: 400 * 2 ** 20 };

function inSeconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

function say(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

function showFile({ path, ok, counts, text, failures, duration, processor }: FinishedFile): void {
  const times = `${inSeconds(duration)}, ${inSeconds(processor)} of a processor`;
  say(`${ok ? "✔" : "✖"} ${path}: ${counts.tests} tests, ${times}\n${text}`);
  // At once as well: a run that is broken off has no end.
  if (!ok) say(failures);
}

function sum(files: readonly FinishedFile[], name: keyof Counts): number {
  return files.reduce((total, { counts }) => total + counts[name], 0);
}

function showSlowest(files: readonly FinishedFile[]): void {
  say("\nthe slowest files (from begin to end, and of a processor):");
  const slowest = files.toSorted((a, b) => b.duration - a.duration).slice(0, Number(values.slowest));
  for (const { path, duration, processor } of slowest) {
    say(`  ${inSeconds(duration).padStart(7)} ${inSeconds(processor).padStart(7)} ${path}`);
  }
}

function showEnd(files: readonly FinishedFile[], duration: number): void {
  showSlowest(files);
  const failed = files.filter(({ ok }) => !ok);
  if (failed.length > 0) say("\n✖ what failed:");
  for (const { path, failures } of failed) say(`\n${path}\n${failures}`);
  say(`\nℹ files ${files.length}, failed ${failed.length}`);
  say(`ℹ tests ${sum(files, "tests")} in ${sum(files, "suites")} suites`);
  for (const name of ["passed", "failed", "cancelled", "skipped", "todo"] as const) {
    say(`ℹ ${name} ${sum(files, name)}`);
  }
  say(`ℹ took ${inSeconds(duration)}, ${inSeconds(processorTime())} of a processor`);
}

const start = performance.now();
const files = findTestFiles(positionals.length > 0 ? positionals : everything);
// What keeps a program from starting the tests tell better.
if (positionals.length === 0) await warmUp().catch(() => undefined);
const finished: FinishedFile[] = [];
await runTestFiles(files, { ...limits, lanes }, (file) => {
  finished.push(file);
  showFile(file);
});
showEnd(finished, performance.now() - start);
const isWhole = files.length > 0 && finished.length === files.length;
process.exitCode = isWhole && finished.every(({ ok }) => ok) ? 0 : 1;
