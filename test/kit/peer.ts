import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Where Debian keeps daemons, which is not on every user's PATH. */
const daemonDirectories = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/** The whole path of a program of the system, or undefined where it is not installed. */
export function findProgram(name: string): string | undefined {
  const directories = (process.env["PATH"] ?? "").split(delimiter).filter(isOfTheSystem);
  return [...directories, ...daemonDirectories]
    .map((directory) => join(directory, name))
    .find((file) => isExecutable(file));
}

/** The `skip` option of a test that wants programs of the system: false, or which of them is missing. */
export function skipWithout(...names: readonly string[]): string | false {
  const missing = names.filter((name) => findProgram(name) === undefined);
  return missing.length === 0 ? false : `not installed here: ${missing.join(", ")}`;
}

/** npm puts the project's own programs first on PATH; those are no outside peers. */
function isOfTheSystem(directory: string): boolean {
  return directory !== "" && !directory.split("/").includes("node_modules");
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
