import type { Child } from "../processes.ts";

/** What to send at a proxy, over and over. */
export interface LoadSpec {
  readonly port: number;
  /** A file that holds the bytes of one request; every generator sends exactly these. */
  readonly requestFile: string;
  readonly connections: number;
  readonly seconds: number;
}

/** Requests that did not end as they should, by where they went wrong. */
export interface LoadErrors {
  readonly connect: number;
  readonly read: number;
  readonly write: number;
  readonly timeout: number;
  /** Answers with a status of 400 and above (wrk) or other than 2xx (our own generator). */
  readonly status: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly errors: LoadErrors;
}

/** Drives load at a proxy from a process of its own. */
export interface LoadGenerator {
  readonly name: string;
  run(spec: LoadSpec, cpus: string | null): Promise<LoadResult>;
}

/** How long a request may take before it counts as an error. */
export const timeoutSeconds = 10;

export function totalErrors(errors: LoadErrors): number {
  return errors.connect + errors.read + errors.write + errors.timeout + errors.status;
}

/** The last line of the output that is a JSON object: generators may say other things before. */
export function parseLoadResult(output: string): LoadResult {
  const line = output
    .split("\n")
    .findLast((candidate) => candidate.startsWith("{") && candidate.endsWith("}"));
  if (line === undefined) throw new Error(`no result in the load generator's output: ${output}`);
  return JSON.parse(line) as LoadResult;
}

/** Waits for a generator to end and reads its result. */
export async function resultOf(child: Child): Promise<LoadResult> {
  const code = await child.exited;
  if (code !== 0) throw new Error(`the load generator failed: ${child.complaint()}`);
  return parseLoadResult(await child.stdout);
}
