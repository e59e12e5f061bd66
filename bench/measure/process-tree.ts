import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { microsPerTick, type ProcessStat, parseKilobytes, parseStat, treeOf } from "./proc-text.ts";

/**
 * Processor time, user and system, that a process and its descendants have used so far, in
 * microseconds. Time of a worker that ended stays in the sum through its parent.
 */
export async function cpuMicrosOf(pid: number): Promise<number> {
  const tree = await processTree(pid);
  return tree.reduce((sum, { ticks }) => sum + ticks, 0) * microsPerTick;
}

/**
 * Memory of a process and its descendants, in bytes: the proportional set size, in which a page
 * shared by two workers counts once, or the resident set size where the kernel doesn't tell.
 */
export async function memoryOf(pid: number): Promise<number> {
  const tree = await processTree(pid);
  const sizes = await Promise.all(tree.map((process) => memoryOfOne(process.pid)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** The memory once two looks in a row agree to half a percent, or the last one after `seconds`. */
export async function settledMemoryOf(pid: number, seconds = 6): Promise<number> {
  const deadline = performance.now() + seconds * 1000;
  let previous = await memoryOf(pid);
  for (;;) {
    await sleep(750);
    const current = await memoryOf(pid);
    if (Math.abs(current - previous) <= previous * 0.005 || performance.now() > deadline) return current;
    previous = current;
  }
}

async function processTree(pid: number): Promise<ProcessStat[]> {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(names.map((name) => readOrEmpty(`/proc/${name}/stat`)));
  return treeOf(pid, lines.filter((line) => line !== "").map(parseStat));
}

async function memoryOfOne(pid: number): Promise<number> {
  const proportional = parseKilobytes(await readOrEmpty(`/proc/${pid}/smaps_rollup`), "Pss");
  return proportional ?? parseKilobytes(await readOrEmpty(`/proc/${pid}/status`), "VmRSS") ?? 0;
}

/** A process may end between being listed and being read; then there is nothing to count. */
function readOrEmpty(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
