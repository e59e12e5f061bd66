import type { TestFile } from "./files.ts";
import { type LaneLimits, LaneProcess } from "./lane-process.ts";
import type { FileReport } from "./messages.ts";

export interface RunOptions extends LaneLimits {
  /** How many files are run at a time. */
  readonly lanes: number;
}

export interface FinishedFile extends FileReport {
  readonly path: string;
  /** From its beginning to its end, milliseconds. */
  readonly duration: number;
}

/**
 * Runs all files, as many at a time as there are lanes: most of them one after the other in the process of their lane,
 * the others in processes of their own. `onFile` hears of each when it is over. Resolves when all processes have ended.
 */
export async function runTestFiles(
  files: readonly TestFile[],
  options: RunOptions,
  onFile: (file: FinishedFile) => void,
): Promise<void> {
  const waiting = files.values();
  const lanes = Array.from({ length: options.lanes }, () => runLane(waiting, options, onFile));
  await Promise.all(lanes);
}

async function runLane(
  waiting: Iterator<TestFile> & Iterable<TestFile>,
  options: RunOptions,
  onFile: (file: FinishedFile) => void,
): Promise<void> {
  let shared: LaneProcess | null = null;
  const ends: Promise<void>[] = [];
  for (const { path, isAlone } of waiting) {
    // It may have ended while a file had a process of its own.
    const own: LaneProcess = isAlone || !shared || shared.isWorn ? new LaneProcess(options) : shared;
    const start = performance.now();
    const report = await own.run(path);
    onFile({ ...report, path, duration: performance.now() - start });
    if (!isAlone) shared = own.isWorn ? null : own;
    if (own !== shared) ends.push(own.end());
  }
  await Promise.all([...ends, shared?.end()]);
}
