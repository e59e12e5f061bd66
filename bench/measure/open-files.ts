import { readFileSync } from "node:fs";

/** How many files, sockets among them, a process started from here may have open: `ulimit -n`. */
export function openFileLimit(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1] ?? "1024";
  return soft === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(soft);
}
