import { createRequire, registerHooks } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { noteModule } from "./loaded-modules.ts";
import { type FailedImport, ProgramError, toProgramError } from "./program-error.ts";

/**
 * The public interface of the sluice that runs: a program's `import "sluice"` has to mean this very copy, wherever the
 * program lies and whatever else is installed there. In a checkout that is source, in a package `dist/`.
 */
const OWN_INDEX: string = new URL(
  import.meta.url.endsWith(".ts") ? "../index.ts" : "../index.js",
  import.meta.url,
).href;

let registered = false;
/** Imports that could not be resolved, newest last: Node's own error doesn't tell the line. */
const failedImports: FailedImport[] = [];

/**
 * Loads a program, in the main thread or in a worker, and returns what it exports by default. TypeScript runs as it is,
 * by Node's type stripping. A program is loaded once for each thread.
 * @param example what it could export, for the error when it exports nothing
 * @throws ProgramError that names file, line and column where Node tells them
 */
export async function loadProgram(path: string, example: string = "defineProxy(…)"): Promise<unknown> {
  registerOnce();
  const file = resolve(path);
  let program: object;
  try {
    program = await beforeIdle(import(pathToFileURL(file).href) as Promise<object>, file, "finishes loading");
  } catch (thrown) {
    throw toProgramError(thrown, file, failedImports);
  }
  return defaultOf(program, file, example);
}

/**
 * A module may wait for what never comes, at its top level or in what it exports. When nothing else is left to do, the process would
 * end without a word and as if all were well.
 * @param what it never does then
 */
export async function beforeIdle<T>(loading: Promise<T>, file: string, what: string): Promise<T> {
  const idle = Promise.withResolvers<never>();
  const onIdle = (): void =>
    idle.reject(new ProgramError(`it never ${what}: it awaits what never comes`, { file }));
  process.once("beforeExit", onIdle);
  try {
    return await Promise.race([loading, idle.promise]);
  } finally {
    process.off("beforeExit", onIdle);
  }
}

/**
 * As `loadProgram`, within this call: for modules that don't wait for anything while they load.
 * @param example what it could export, for the error when it exports nothing
 */
export function loadModuleNow(path: string, example: string): unknown {
  registerOnce();
  const file = resolve(path);
  let module: object;
  try {
    module = createRequire(import.meta.url)(file) as object;
  } catch (thrown) {
    throw toProgramError(thrown, file, failedImports);
  }
  return defaultOf(module, file, example);
}

function defaultOf(module: object, file: string, example: string): unknown {
  if ("default" in module) return module.default;
  throw new ProgramError(`it exports nothing by default; expected export default ${example}, say`, { file });
}

function registerOnce(): void {
  if (registered) return;
  registered = true;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (specifier === "sluice") return { url: OWN_INDEX, shortCircuit: true };
      try {
        return withFormat(nextResolve(specifier, context));
      } catch (error) {
        failedImports.push({ error, specifier, parent: context.parentURL });
        throw error;
      }
    },
    load(url, context, nextLoad) {
      noteModule(url);
      return nextLoad(url, context);
    },
  });
}

/**
 * A `.ts` file of no package, or of one that doesn't say what its files are, is a module: Node would find out by trying,
 * with a warning.
 */
function withFormat<R extends { url: string; format?: string | null | undefined }>(resolved: R): R {
  if (resolved.format != null || !/^file:.*\.ts$/.test(resolved.url)) return resolved;
  return { ...resolved, format: "module-typescript" };
}
