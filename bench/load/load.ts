import type { Child } from "../processes.ts";
import type { Protocol } from "../workloads.ts";

/** What to send at a proxy, over and over. */
export interface LoadSpec {
  readonly port: number;
  /** A file that holds the bytes of one request; every generator sends exactly these. */
  readonly requestFile: string;
  readonly connections: number;
  readonly seconds: number;
  readonly protocol: Protocol;
  /** Requests at once on each connection, of HTTP/2. */
  readonly streams: number;
  /** Only for a request that asks for the end of its connection. */
  readonly handshakes?: "full" | "resumed";
}

/** Requests that did not end as they should, by where they went wrong. */
export interface LoadErrors {
  /** Also TLS connections on which the server didn't take up the session again. */
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

/** Whether the client speaks through TLS. */
export function isSecure(protocol: Protocol): boolean {
  return protocol === "https" || protocol === "h2";
}

/** Whether it is HTTP/2. */
export function isHttp2(protocol: Protocol): boolean {
  return protocol === "h2c" || protocol === "h2";
}

/** The name in the benchmark's certificate and in all its requests. */
export const serverName = "www.example.com";

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
