import { readlinkSync } from "node:fs";
import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/*
 * Folders with copies of plugins are named after whose they are, so that those of processes that were killed can be told from
 * those that are in use:
 *
 *     sluice-plugins-<process>-<where its number is good>-<random>
 */

/** Milliseconds. Folders that are in use look new every hour (`PluginCopies`). */
const LONG_AGO = 7 * 24 * 3_600_000;

const NAME = /^sluice-plugins-(\d+)-(\d+)-\w+$/;

/** What the name of this process's folder begins with. */
export function folderPrefix(): string {
  return `sluice-plugins-${process.pid}-${numberSpace()}-`;
}

/** Containers may share a folder for temporary files, but number their processes each for itself (pid_namespaces(7)). */
function numberSpace(): string {
  try {
    return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "0";
  } catch {
    return "0";
  }
}

/**
 * Removes folders of this user whose processes are gone, as far as that can be known, and those that nobody has touched for long. Those of
 * another user are left alone, also by root: who owns a folder can put a link in its place at any moment. What can't be removed stays.
 */
export async function removeLeftCopies(folder: string): Promise<void> {
  // Whoever makes a folder there says why that can't be.
  const names = await readdir(folder).catch(() => []);
  const space = numberSpace();
  for (const name of names) {
    const [, pid, where] = NAME.exec(name) ?? [];
    if (pid === undefined) continue;
    const path = join(folder, name);
    // Another process that starts may have removed it just now.
    const found = await lstat(path).catch(() => null);
    if (found?.isDirectory() !== true || found.uid !== process.geteuid?.()) continue;
    const isGone = where === space && !isThere(Number(pid));
    // It is only space on a disk, and no reason not to start; the next process tries again.
    if (isGone || found.mtimeMs < Date.now() - LONG_AGO)
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
