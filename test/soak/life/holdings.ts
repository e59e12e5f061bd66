import { readdir, readFile } from "node:fs/promises";
import { inMib } from "../memory.ts";

/** What a process holds at one moment. */
export interface Holdings {
  readonly descriptors: number;
  readonly threads: number;
  /** Resident memory, bytes. */
  readonly memory: number;
}

/** Rejects when there is no such process. */
export async function holdingsOf(pid: number): Promise<Holdings> {
  const [descriptors, threads, status] = await Promise.all([
    readdir(`/proc/${pid}/fd`),
    readdir(`/proc/${pid}/task`),
    readFile(`/proc/${pid}/status`, "utf8"),
  ]);
  const kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  return { descriptors: descriptors.length, threads: threads.length, memory: kib * 1024 };
}

export function holdingsText({ descriptors, threads, memory }: Holdings): string {
  return `${descriptors} descriptors, ${threads} threads, ${inMib(memory)}`;
}
