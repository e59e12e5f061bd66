import { readdirSync } from "node:fs";
import { getCompileCacheDir } from "node:module";
import { startSluice } from "../kit/process.ts";

/**
 * Lets one process compile for all. They share what Node has compiled (`NODE_COMPILE_CACHE`), but only processes that come to their
 * own end leave it behind. In a fresh checkout those that begin first would each compile everything, at twice the price of their start, and
 * most of them are killed by their tests: five files took 60 seconds of a processor, and 46 once that was done.
 */
export async function warmUp(): Promise<void> {
  const folder = getCompileCacheDir();
  if (folder === undefined || readdirSync(folder).length > 0) return;
  await using program = await startSluice([
    "http",
    "--bind",
    "127.0.0.1:0",
    "--upstream",
    "1",
    "--threads",
    "1",
  ]);
  await program.line(/^Listening/);
  program.signal("SIGTERM");
  await program.exit();
}
