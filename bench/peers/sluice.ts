import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { isSecure } from "../load/load.ts";
import type { Child } from "../processes.ts";
import { cacheWorkloads } from "./in-memory.ts";
import { type Availability, allProtocols, type Peer, type PeerContext } from "./peer.ts";

const root = join(import.meta.dirname, "../..");
const filterProgram = join(root, "bench/programs/two-filters.ts");

/** The sluice of this checkout. */
export const ownBin: string = join(root, "bin/sluice.js");

/** Sluice as a plain reverse proxy, from flags alone. `bin` may be that of another checkout. */
export function sluice(bin: string, name = "sluice"): Peer {
  return {
    name,
    about: `sluice http${resolve(bin) === ownBin ? "" : ` of ${bin}`}`,
    available: () => availability(bin),
    speaks: allProtocols,
    start: (context) =>
      context.protocol === "http1" ? startByFlags(context, bin) : startByFile(context, bin),
  };
}

function startByFlags(context: PeerContext, bin: string): Child {
  const upstream = ["--upstream", `127.0.0.1:${context.originPort}`];
  return context.launch([process.execPath, bin, "http", ...upstream, ...listening(context)]);
}

/**
 * With a configuration, for what flags don't say.
 *
 * @param settings more of the listener
 */
async function startByFile(context: PeerContext, bin: string, settings: object = {}): Promise<Child> {
  const { port, originPort, threads, protocol, certificate, directory, launch } = context;
  const { cert, key } = certificate;
  const listener = {
    bind: `127.0.0.1:${port}`,
    ...(isSecure(protocol) ? { tls: { cert, key } } : {}),
    upstream: `127.0.0.1:${originPort}`,
    ...settings,
  };
  const file = join(directory, "sluice.yaml");
  // YAML takes JSON as it is.
  await writeFile(file, JSON.stringify({ version: 1, listeners: [listener] }));
  return launch([process.execPath, bin, "run", file, "--threads", String(threads)]);
}

/** What turns the cache of a listener on. */
const cacheSettings = { cache: "256MiB" };

/** Sluice with its cache in memory. */
export function sluiceCache(bin: string, name = "sluice-cache"): Peer {
  return {
    name,
    about: "sluice run, cache in memory",
    onlyIn: cacheWorkloads,
    available: () => availability(bin),
    speaks: ["http1", "h2c"],
    start: (context) => startByFile(context, bin, cacheSettings),
  };
}

/** Sluice running a program with two synchronous filters. */
export function sluiceFilters(bin: string): Peer {
  return {
    name: "sluice-filters",
    about: "sluice run bench/programs/two-filters.ts",
    onlyIn: ["filters"],
    available: () => (existsSync(filterProgram) ? availability(bin) : missing(filterProgram)),
    start: (context) =>
      context.launch([process.execPath, bin, "run", filterProgram, ...listening(context)], {
        env: { BENCH_ORIGIN: `127.0.0.1:${context.originPort}` },
      }),
  };
}

function listening({ port, threads }: PeerContext): string[] {
  return ["--bind", `127.0.0.1:${port}`, "--threads", String(threads)];
}

/** Whether there is a sluice of this path, and its version. */
export function availability(bin: string): Availability {
  if (!existsSync(bin)) return missing(bin);
  const manifest = join(dirname(resolve(bin)), "../package.json");
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  return { ready: true, version };
}

function missing(file: string): Availability {
  return { ready: false, how: `there is no ${file}` };
}
