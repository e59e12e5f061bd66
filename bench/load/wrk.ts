import { join } from "node:path";
import { findProgram, launch } from "../processes.ts";
import {
  isSecure,
  type LoadGenerator,
  type LoadResult,
  type LoadSpec,
  resultOf,
  timeoutSeconds,
} from "./load.ts";

const script = join(import.meta.dirname, "wrk.lua");

/** wrk, which takes a fraction of the processor time that any generator in JavaScript takes. */
export const wrk: LoadGenerator = {
  name: "wrk",
  run(spec: LoadSpec, cpus: string | null): Promise<LoadResult> {
    return resultOf(launch(["wrk", ...wrkArguments(spec)], { cpus }));
  },
};

export function hasWrk(): boolean {
  return findProgram("wrk") !== null;
}

function wrkArguments(spec: LoadSpec): string[] {
  return [
    "--threads=1",
    `--connections=${spec.connections}`,
    `--duration=${spec.seconds}s`,
    `--timeout=${timeoutSeconds}s`,
    `--script=${script}`,
    `${isSecure(spec.protocol) ? "https" : "http"}://127.0.0.1:${spec.port}/`,
    "--",
    spec.requestFile,
  ];
}
