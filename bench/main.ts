import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chosen, parseOptions, UsageError } from "./cli.ts";
import { allPeers } from "./peers/registry.ts";
import { ownBin } from "./peers/sluice.ts";
import { killAll } from "./processes.ts";
import { listText } from "./report/list.ts";
import { progressOnStderr } from "./report/progress.ts";
import { type Report, reportText, updateDocument } from "./report/report.ts";
import { isSuspect } from "./results.ts";
import { runAll } from "./run.ts";
import { workloads } from "./workloads.ts";

const performancePage = join(import.meta.dirname, "../docs/performance.md");

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  const sluice = options.sluice ?? process.env["SLUICE_BIN"] ?? ownBin;
  const peers = chosen("peer", allPeers(sluice, options.before), options.peers);
  const todo = chosen("workload", workloads, options.workloads);
  if (options.list) {
    process.stdout.write(await listText(peers, todo));
    return;
  }
  if (process.platform !== "linux") throw new UsageError("the benchmark reads /proc and needs Linux");
  const report = await runAll(options, peers, todo, progressOnStderr);
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : reportText(report));
  if (options.write) await updatePage(report);
  if (report.results.some(({ rows }) => rows.some(isSuspect))) process.exitCode = 1;
}

async function updatePage(report: Report): Promise<void> {
  const page = await readFile(performancePage, "utf8");
  await writeFile(performancePage, updateDocument(page, report));
}

// However this ends, nothing that it started goes on running.
process.once("exit", killAll);
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = 2;
}
