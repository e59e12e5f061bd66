import { holdingsText } from "./holdings.ts";
import type { LifeReport } from "./run.ts";

/** Descriptors and threads that may be more at the end: what Node makes when it is first needed. */
const SLACK = 4;
/** Memory at the end, as a multiple of that at the beginning, when no request had come yet, and what any process gains under load, bytes. */
const GROWTH = 2;
const GAIN = 256 * 1024 * 1024;

/** What isn't as it should be; none: it is good. */
export function judge({ counts, before, after, problems }: LifeReport): string[] {
  const { failed, cut, failures } = counts;
  const found = [...problems];
  if (failed > 0) found.push(`${failed} requests or messages failed`, ...failures);
  if (cut > 0) found.push(`${cut} WebSockets were cut by reloads`);
  if (after.descriptors > before.descriptors + SLACK) found.push("descriptors were left open");
  if (after.threads > before.threads + SLACK) found.push("threads were left");
  if (after.memory > before.memory * GROWTH + GAIN) found.push("memory has grown");
  return found;
}

export function show(report: LifeReport, found: readonly string[]): string {
  const { counts, seconds, before, after, done } = report;
  const { answered, connections, messages, movedOn, cut, longestWait, failed } = counts;
  const total = Object.values(answered).reduce((sum, one) => sum + one, 0);
  return [
    `${total} requests in ${seconds.toFixed(0)} s, ${Math.round(total / seconds)}/s, on ${connections} connections; ${failed} failed`,
    ...Object.entries(answered).map(([lane, requests]) => `  ${lane}: ${requests}`),
    `longest wait: ${Math.round(longestWait)} ms`,
    `WebSockets: ${messages} messages in order; ${cut} cut, ${movedOn} moved on after upgrades`,
    `${done} reloads and upgrades`,
    `at rest before: ${holdingsText(before)}`,
    `at rest after:  ${holdingsText(after)}`,
    ...found.map((problem) => `PROBLEM: ${problem}`),
    found.length === 0 ? "good" : "not good",
    "",
  ].join("\n");
}
