import { join } from "node:path";
import { findProgram } from "./peer.ts";
import { runProgram } from "./process.ts";

const native = join(import.meta.dirname, "../../native");

/** What compiles C here; null where nothing does. */
export const compiler: string | null =
  findProgram("cc") ?? findProgram("gcc") ?? findProgram("clang") ?? null;

/** For tests that can't do without a compiler of C: why they are left out, or false. */
export const withoutCompiler: string | false = compiler === null && "no C compiler is installed";

/** The source of an example. */
export function examplePlugin(name: string): string {
  return join(native, "examples", `${name}.c`);
}

/** The source of a plugin that does what its configuration says, right or wrong. */
export const oddPlugin: string = join(import.meta.dirname, "odd-plugin.c");

/** Makes a plugin of a source file. @param flags more of the compiler's, such as `-DNAME=value` */
export async function compilePlugin(
  source: string,
  target: string,
  flags: readonly string[] = [],
): Promise<void> {
  if (compiler === null) throw new Error("There is no C compiler");
  const strict = ["-std=c99", "-Wall", "-Wextra", "-Werror"];
  const options = ["-shared", "-fPIC", "-O1", ...strict, `-I${native}`, ...flags, "-o", target, source];
  const { code, stderr } = await runProgram(compiler, options);
  if (code !== 0) throw new Error(`${source} can't be compiled: ${stderr}`);
}
