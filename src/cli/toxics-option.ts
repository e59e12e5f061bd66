import { Option } from "commander";
import { loadToxics } from "../worker/toxic-modules.ts";
import { collect } from "./options.ts";

/** Loads own toxics as soon as it is read, so that options behind it can name them. */
export function toxicsOption(): Option {
  return new Option("--toxics <module>", "own toxics, known to what stands behind it (repeatable)").argParser(
    collectToxics,
  );
}

function collectToxics(value: string, before: readonly string[] = []): string[] {
  loadToxics([value]);
  return collect(value, before);
}
