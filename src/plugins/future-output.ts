import { closeSync } from "node:fs";
import { getEnvironmentData, setEnvironmentData } from "node:worker_threads";
import { openAtOnce } from "../base/log-files.ts";

const KEY = "sluice.future-output";

/** Where a process is to write what it prints, and what it says in its last need, as `spawn` is told. */
export type OutputPlaces = readonly ["inherit" | "ignore", "inherit" | "ignore" | number];

/**
 * Says that what this process prints goes nowhere once it listens, and to a file what it says in its last need. What is started
 * before would go on writing to whoever started this process, and keep him waiting for more. To be called before there are
 * threads: they know it, too.
 * @param errorLog null: that goes nowhere, too
 */
export function setFutureOutput(errorLog: string | null): void {
  setEnvironmentData(KEY, { errorLog });
}

/** Calls `start` with where a process that is started there has to write. */
export function withFutureOutput<T>(start: (places: OutputPlaces) => T): T {
  const known = getEnvironmentData(KEY) as { readonly errorLog: string | null } | undefined;
  if (known === undefined) return start(["inherit", "inherit"]);
  const descriptor = known.errorLog === null ? null : openLog(known.errorLog);
  try {
    return start(["ignore", descriptor ?? "ignore"]);
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

function openLog(path: string): number | null {
  try {
    return openAtOnce(path);
  } catch {
    // Whoever writes the log tells of that.
    return null;
  }
}
