import { randomUUID } from "node:crypto";
import { access, constants, readFile, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { percentile } from "../measure/statistics.ts";
import { findProgram, launch } from "../processes.ts";
import { fieldsOf } from "./http2-request.ts";
import { isSecure, type LoadGenerator, type LoadResult, type LoadSpec, timeoutSeconds } from "./load.ts";

/** h2load of nghttp2, which speaks HTTP/2. */
export const h2load: LoadGenerator = {
  name: "h2load",
  async run(spec: LoadSpec, cpus: string | null): Promise<LoadResult> {
    // Its report has no percentiles, but its log has every request.
    const name = `${basename(spec.requestFile)}-${randomUUID()}.log`;
    const log = join(await logFolder(dirname(spec.requestFile)), name);
    try {
      const request = await readFile(spec.requestFile, "latin1");
      const child = launch(["h2load", ...h2loadArguments(spec, request, log)], { cpus });
      if ((await child.exited) !== 0) throw new Error(`h2load failed: ${child.complaint()}`);
      return parseH2load(await child.stdout, await readFile(log, "latin1"));
    } finally {
      await rm(log, { force: true });
    }
  },
};

/** In memory where there is such a place: a line for each request, written to a disk, made what is measured half as dear again. */
async function logFolder(otherwise: string): Promise<string> {
  const inMemory = "/dev/shm";
  return access(inMemory, constants.W_OK).then(
    () => inMemory,
    () => otherwise,
  );
}

export function hasH2load(): boolean {
  return findProgram("h2load") !== null;
}

function h2loadArguments(spec: LoadSpec, request: string, log: string): string[] {
  const fields = fieldsOf(request);
  const path = fields.find(([name]) => name === ":path")?.[1] ?? "/";
  const scheme = isSecure(spec.protocol) ? "https" : "http";
  return [
    "--threads=1",
    `--clients=${spec.connections}`,
    `--max-concurrent-streams=${spec.streams}`,
    `--duration=${spec.seconds}`,
    `--connection-inactivity-timeout=${timeoutSeconds}`,
    `--log-file=${log}`,
    ...fields
      .filter(([name]) => name !== ":path" && name !== ":method")
      .map(([name, value]) => `--header=${name}: ${value}`),
    `${scheme}://127.0.0.1:${spec.port}${path}`,
  ];
}

/**
 * @param report what it printed
 * @param log a line for each request: when it began, its status (-1 if it failed), the microseconds it took
 */
export function parseH2load(report: string, log: string): LoadResult {
  const counts = /^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$/m.exec(report);
  const statuses = /^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx$/m.exec(report);
  const seconds = /^finished in ([\d.]+)(us|ms|s),/m.exec(report);
  if (counts === null || statuses === null || seconds === null) {
    throw new Error(`no result in the output of h2load: ${report}`);
  }
  const [failed = 0, , timeout = 0] = counts.slice(2).map(Number);
  const micros = latenciesIn(log);
  return {
    requests: Number(counts[1]),
    seconds: Number(seconds[1]) * (unitSeconds[seconds[2] ?? ""] ?? 1),
    p50Micros: Math.round(percentile(micros, 0.5)),
    p99Micros: Math.round(percentile(micros, 0.99)),
    errors: {
      connect: 0,
      // What failed is what was answered with an error status, and what broke off.
      read: Math.max(0, failed - Number(statuses[3]) - Number(statuses[4]) - timeout),
      write: 0,
      timeout,
      status: Number(statuses[3]) + Number(statuses[4]),
    },
  };
}

const unitSeconds: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1 };

function latenciesIn(log: string): number[] {
  const times: number[] = [];
  for (const line of log.split("\n")) {
    const [, status, micros] = line.split("\t");
    if (micros !== undefined && status !== "-1") times.push(Number(micros));
  }
  return times.sort((a, b) => a - b);
}
