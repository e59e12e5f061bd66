import { existsSync } from "node:fs";
import { join } from "node:path";
import { ownBin } from "../peers/sluice.ts";
import { findProgram } from "../processes.ts";

/** A server of Toxiproxy's API to measure. */
export interface FaultServer {
  readonly name: string;
  /** What starts it on `port`. */
  command(port: number): string[];
}

const built = join(import.meta.dirname, "../.cache/toxiproxy-server");

/** Sluice, and the original when it is installed, or lies in bench/.cache. */
export function faultServers(): FaultServer[] {
  const original = existsSync(built) ? built : findProgram("toxiproxy-server");
  const servers: FaultServer[] = [
    {
      name: "sluice",
      command: (port) => [process.execPath, ownBin, "toxiproxy", "-port", String(port)],
    },
  ];
  if (original !== null)
    servers.push({ name: "toxiproxy", command: (port) => [original, "-port", String(port)] });
  return servers;
}
