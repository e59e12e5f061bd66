import { resolve } from "node:path";
import type { ToxicType } from "../chaos/toxic.ts";
import { toxics } from "../chaos/toxics/index.ts";
import { ProgramError } from "./program-error.ts";
import { loadModuleNow } from "./program-loader.ts";

/**
 * Loads modules of own toxics, each of which exports one by default, or a list, and registers those for this thread. What
 * was loaded before is left as it is.
 * @throws ProgramError that names the file and what is wrong with it
 */
export function loadToxics(paths: readonly string[]): void {
  for (const path of paths) {
    const exported = loadModuleNow(path, "defineToxic(…)");
    for (const type of Array.isArray(exported) ? (exported as unknown[]) : [exported]) register(type, path);
  }
}

function register(type: unknown, path: string): void {
  const file = resolve(path);
  if (!isToxicType(type))
    throw new ProgramError("its default export is no toxic; expected export default defineToxic(…)", {
      file,
    });
  const known = toxics.get(type.name);
  if (known === type) return;
  if (known !== undefined) throw new ProgramError(`there is a toxic ${type.name} already`, { file });
  toxics.register(type);
}

function isToxicType(value: unknown): value is ToxicType {
  if (typeof value !== "object" || value === null) return false;
  const { name, create, links, attributes } = value as Partial<ToxicType>;
  const isNamed = typeof name === "string" && name !== "" && typeof attributes === "object";
  return isNamed && typeof create === "function" && Array.isArray(links);
}
