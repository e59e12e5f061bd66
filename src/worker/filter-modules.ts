import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { formatPath } from "../config/config-error.ts";
import { asPhases, FilterConfigError, makePhases, type OwnFilter } from "../filters/modules/own-filter.ts";
import type { FilterSettings } from "../filters/settings.ts";
import { ProgramError, toProgramError } from "./program-error.ts";
import { beforeIdle, loadProgram } from "./program-loader.ts";

/** A filter that is ready, and what it was made of. */
interface ReadyFilter extends OwnFilter {
  readonly settings: FilterSettings;
  readonly end: AbortController;
}

export type ReadyFilters = ReadonlyMap<string, ReadyFilter>;

export const NO_FILTERS: ReadyFilters = new Map();

/**
 * Loads the modules of filters and has them make their phases; a filter whose settings are those of before is the same one.
 * Rejects with a ProgramError that says where what is wrong, in the module or in the configuration; nothing is left behind.
 */
export async function loadFilters(
  all: readonly FilterSettings[],
  before: ReadyFilters = NO_FILTERS,
): Promise<ReadyFilters> {
  const ready = new Map<string, ReadyFilter>();
  try {
    for (const settings of all) {
      const known = before.get(settings.name);
      const isSame = known !== undefined && isSameFilter(known.settings, settings);
      ready.set(settings.name, isSame ? known : await loadFilter(settings));
    }
    return ready;
  } catch (error) {
    endFilters(ready, before);
    throw error;
  }
}

/** Tells filters that they aren't used any more, but those that `others` has too. */
export function endFilters(filters: ReadyFilters, others: ReadyFilters = NO_FILTERS): void {
  for (const [name, filter] of filters) if (others.get(name) !== filter) filter.end.abort();
}

function isSameFilter(one: FilterSettings, other: FilterSettings): boolean {
  return one.module === other.module && isDeepStrictEqual(one.config, other.config);
}

async function loadFilter(settings: FilterSettings): Promise<ReadyFilter> {
  const { name, module } = settings;
  const file = resolve(module);
  const end = new AbortController();
  const exported = await loadProgram(module, "defineFilter(…)");
  let made: unknown;
  try {
    const making = makePhases(exported, settings.config, { name, signal: end.signal });
    made = await beforeIdle(making, file, "makes its phases");
  } catch (thrown) {
    // It may have begun something already.
    end.abort();
    throw thrown instanceof FilterConfigError ? toPlaced(thrown, settings) : toProgramError(thrown, file, []);
  }
  try {
    return { name, module, settings, end, phases: asPhases(made) };
  } catch (error) {
    end.abort();
    throw new ProgramError((error as Error).message, { file }, { cause: error });
  }
}

/** In the words of the configuration, at the place where they stand. */
function toPlaced(
  { path, message, cause }: FilterConfigError,
  { name, module, place }: FilterSettings,
): ProgramError {
  const where = formatPath(["filters", name, "config", ...path]);
  return new ProgramError(`${where}: ${message} (says ${module})`, place, { cause });
}
