import { fileURLToPath } from "node:url";
import { launch } from "../processes.ts";
import { type LoadGenerator, type LoadResult, type LoadSpec, resultOf } from "./load.ts";

const program = fileURLToPath(import.meta.resolve("./generator.ts"));

/** The generator of our own, for machines without wrk: it takes more processor time for the same load. */
export const ownGenerator: LoadGenerator = {
  name: "own generator",
  run(spec: LoadSpec, cpus: string | null): Promise<LoadResult> {
    return resultOf(launch([process.execPath, program, JSON.stringify(spec)], { cpus }));
  },
};
