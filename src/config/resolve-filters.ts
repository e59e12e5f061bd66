import { existsSync } from "node:fs";
import type { FilterSettings } from "../filters/settings.ts";
import { show } from "./issues.ts";
import { resolveIn } from "./resolve-in.ts";
import type { FileSurroundings } from "./resolve-upstream-tls.ts";
import type { FilterDraft } from "./schema/filter.ts";
import type { Snapshot } from "./snapshot.ts";
import type { ProblemLocator } from "./source-document.ts";

/** The filters that sessions go through, with their modules as they are found from the working directory. */
export function resolveFilters(
  defined: Readonly<Record<string, FilterDraft>>,
  { listeners }: Pick<Snapshot, "listeners">,
  { folder, note }: FileSurroundings,
  source: ProblemLocator,
): readonly FilterSettings[] {
  const users = [...listeners, ...listeners.flatMap(({ routes }) => routes)];
  const used = new Set(users.flatMap(({ filters }) => filters));
  return Object.entries(defined).flatMap(([name, { module, config }]) => {
    if (!used.has(name)) return [];
    const path = ["filters", name];
    const file = resolveIn(folder, module);
    if (!existsSync(file)) note({ path: [...path, "module"], message: `there is no file ${show(file)}` });
    const { line, column, ...place } = source.locate({ path: [...path, "config"], message: "" });
    return [{ name, module: file, config, place: { file: place.file, line, column } }];
  });
}
