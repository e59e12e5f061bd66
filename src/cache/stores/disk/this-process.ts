import { readFileSync } from "node:fs";

/** Fields of /proc/<pid>/stat (proc(5)): how it is, and clock ticks between the start of the machine and that of the process. */
const STATE_FIELD = 3;
const START_FIELD = 22;

/** Names this process, also among those that had its number before: `<number>.<when it began>`. */
export function thisProcess(): string {
  return `${process.pid}.${startOf(process.pid)}`;
}

/** Whether the process of that name still runs. One that has ended, and that nobody has asked how, doesn't: it has nothing open any more. */
export function isRunning(name: string): boolean {
  const [id = "", start = ""] = name.split(".");
  const pid = Number(id);
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const now = startOf(pid);
  return (now === start || now === "0" || start === "0") && fieldOf(pid, STATE_FIELD) !== "Z";
}

/** "0" where nobody can tell. */
function startOf(pid: number): string {
  return fieldOf(pid, START_FIELD) ?? "0";
}

/** Null where nobody can tell. @param field the third or a later one */
function fieldOf(pid: number, field: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name of the program stands in brackets and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[field - STATE_FIELD] ?? null;
  } catch {
    return null;
  }
}
