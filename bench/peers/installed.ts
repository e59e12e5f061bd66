import { spawnSync } from "node:child_process";
import { findProgram } from "../processes.ts";
import { type Availability, versionIn } from "./peer.ts";

/**
 * Whether a program of the operating system is there; `versionFlag` makes it say its version.
 *
 * @param from the package that it comes in
 */
export function installed(program: string, versionFlag: string, from: string = program): Availability {
  const path = findProgram(program);
  if (path === null) return { ready: false, how: `apt-get install ${from}` };
  return { ready: true, version: versionIn(saidBy(path, versionFlag)) };
}

/** All that a program says when it is called with this flag. */
export function saidBy(program: string, flag: string): string {
  const said = spawnSync(program, [flag], { encoding: "utf8" });
  return said.stdout + said.stderr;
}

/** The path of a program that was found to be installed. */
export function pathOf(program: string): string {
  const path = findProgram(program);
  if (path === null) throw new Error(`${program} is not installed`);
  return path;
}
