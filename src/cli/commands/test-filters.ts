import type { Snapshot } from "../../config/snapshot.ts";
import { endFilters, loadFilters } from "../../worker/filter-modules.ts";
import { UsageError } from "../errors.ts";

/** Loads the modules of filters as a worker would, and tells what is wrong with the first that can't be used. */
export async function testFilters({ filters }: Snapshot): Promise<void> {
  try {
    endFilters(await loadFilters(filters));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
