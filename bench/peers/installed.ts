import { spawnSync } from "node:child_process";
import { findProgram } from "../processes.ts";
import { type Availability, versionIn } from "./peer.ts";

/** Whether a program of the operating system is there; `versionFlag` makes it say its version. */
export function installed(program: string, versionFlag: string): Availability {
  const path = findProgram(program);
  if (path === null) return { ready: false, how: `apt-get install ${program}` };
  const said = spawnSync(path, [versionFlag], { encoding: "utf8" });
  return { ready: true, version: versionIn(said.stdout + said.stderr) };
}

/** The path of a program that was found to be installed. */
export function pathOf(program: string): string {
  const path = findProgram(program);
  if (path === null) throw new Error(`${program} is not installed`);
  return path;
}
