import { readFileSync } from "node:fs";

/** Milliseconds to a clock tick, as `times(2)` counts: Linux has a hundred to the second wherever Node runs. */
const tick = 10;

/**
 * Milliseconds of processor time that this process has used with all its threads, and its children that have ended. Other
 * than the time on a clock it says the same on a busy machine as on an idle one. Where there is no /proc, of this process alone.
 */
export function processorTime(): number {
  const stat = readStat();
  if (stat === null) {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  }
  // The name, in parentheses, may hold anything; utime, stime, cutime and cstime are the 14th to the 17th field, see proc(5).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) * tick;
}

function readStat(): string | null {
  try {
    return readFileSync("/proc/self/stat", "latin1");
  } catch {
    return null;
  }
}
