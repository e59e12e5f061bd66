import type { PluginSettings } from "../plugins/plugin-settings.ts";
import { resolveIn } from "./resolve-in.ts";
import type { PluginDraft } from "./schema/plugin.ts";
import type { Snapshot } from "./snapshot.ts";

/** The plugins that traffic goes through, with their files as they are found from the working directory. */
export function resolvePlugins(
  defined: Readonly<Record<string, PluginDraft>>,
  { listeners, proxies }: Pick<Snapshot, "listeners" | "proxies">,
  folder: string,
): readonly PluginSettings[] {
  const users = [...listeners, ...listeners.flatMap(({ routes }) => routes), ...proxies];
  const used = new Set(users.flatMap(({ plugins }) => plugins));
  const onStreams = new Set(proxies.flatMap(({ plugins }) => plugins));
  return Object.entries(defined)
    .filter(([name]) => used.has(name))
    .map(([name, draft]) => {
      const path = resolveIn(folder, draft.path);
      return { ...draft, name, path, mustTransform: onStreams.has(name) };
    });
}
