import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { workloads } from "../workloads.ts";

/** The workloads of hits, and the only ones that caches take part in. */
export const cacheWorkloads: readonly string[] = workloads
  .map(({ name }) => name)
  .filter((name) => name.startsWith("cache-"));

const tmpfs = "/dev/shm";

/** A folder in memory where there is such a place, removed at the end of the run; else `otherwise` itself. */
export function folderInMemory(otherwise: string): string {
  try {
    accessSync(tmpfs, constants.W_OK);
  } catch {
    return otherwise;
  }
  const folder = mkdtempSync(join(tmpfs, "sluice-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
