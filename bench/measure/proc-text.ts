/** What one line of `/proc/PID/stat` says about processor time. */
export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** User and system time of all its threads and of its children already waited for. */
  readonly ticks: number;
}

/** Linux reports times to programs in hundredths of a second, whatever the kernel's own tick is. */
export const microsPerTick = 10_000;

/** Reads a line of `/proc/PID/stat`; see proc_pid_stat(5). */
export function parseStat(line: string): ProcessStat {
  // The second field is the program's name in parentheses, and may itself contain spaces
  // and parentheses, so the numbers are counted from the last one.
  const rest = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const field = (number: number): number => Number(rest[number - 3]);
  return {
    pid: Number.parseInt(line, 10),
    parent: field(4),
    ticks: field(14) + field(15) + field(16) + field(17),
  };
}

/** The process `root` and all its descendants, those of which are known. */
export function treeOf(root: number, all: readonly ProcessStat[]): ProcessStat[] {
  const tree = all.filter((process) => process.pid === root);
  // `tree` grows while it is walked: each process found brings its own children in.
  for (const found of tree) tree.push(...all.filter(({ parent }) => parent === found.pid));
  return tree;
}

/** Bytes of a `Name:   123 kB` line as in `smaps_rollup` and `status`; undefined when absent. */
export function parseKilobytes(text: string, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text);
  return found ? Number(found[1]) * 1024 : undefined;
}

/** `0-2,5` as in `Cpus_allowed_list` to `[0, 1, 2, 5]`. */
export function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(",")
    .filter((part) => part !== "")
    .flatMap((part) => {
      const [first = 0, last = first] = part.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });
}
