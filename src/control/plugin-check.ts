import { idleAlarms } from "../base/alarms.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { PluginCopies } from "../plugins/plugin-files.ts";
import { PluginKeeper } from "../plugins/plugin-keeper.ts";

/** Tries the plugins of a configuration, as they would be when it starts. @returns what is wrong with them */
export async function checkPlugins({ plugins }: Pick<Snapshot, "plugins">): Promise<readonly string[]> {
  const problems: string[] = [];
  const copies = new PluginCopies();
  for (const settings of plugins) {
    const nobody = { onMaterial: () => undefined, onProblem: () => undefined };
    const keeper = new PluginKeeper(settings, copies, idleAlarms, nobody);
    await keeper.load().catch(({ message }: Error) => problems.push(message));
  }
  copies.close();
  return problems;
}
