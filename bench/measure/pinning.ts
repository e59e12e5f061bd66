import { readFileSync } from "node:fs";
import { findProgram } from "../processes.ts";
import { parseCpuList } from "./proc-text.ts";

/** Which processors the proxy and everything else run on, as taskset writes them. */
export interface Pinning {
  readonly proxy: string | null;
  readonly load: string | null;
  /** One line for the reader of the results. */
  readonly note: string;
}

/**
 * Gives the proxy the first processors, as many as it has threads, and the load generator and the
 * origin the others. Without that, the scheduler moves them about and cold caches are measured.
 */
export function planPinning(threads: number): Pinning {
  const cpus = allowedCpus();
  if (findProgram("taskset") === null) return unpinned("taskset is not installed");
  if (cpus.length <= threads) {
    return unpinned(`${cpus.length} processor(s) for ${threads} proxy thread(s) and the load`);
  }
  const proxy = cpus.slice(0, threads).join(",");
  const load = cpus.slice(threads).join(",");
  return { proxy, load, note: `proxy on CPU ${proxy}, load and origin on CPU ${load}` };
}

function unpinned(reason: string): Pinning {
  return { proxy: null, load: null, note: `not pinned (${reason}): expect more noise` };
}

function allowedCpus(): number[] {
  const status = readFileSync("/proc/self/status", "utf8");
  return parseCpuList(/^Cpus_allowed_list:\s+(.*)$/m.exec(status)?.[1] ?? "");
}
