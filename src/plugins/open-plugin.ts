import { extname } from "node:path";
import { NativePlugin } from "./native-plugin.ts";
import { type Plugin, PluginError } from "./plugin.ts";
import { PLUGIN_KINDS, type PluginMaterial } from "./plugin-settings.ts";

/** Begins a plugin in this thread. Rejects with a `PluginError` that says what is wrong with it. */
export async function openPlugin({ path, file, config, isolate }: PluginMaterial): Promise<Plugin> {
  if (isolate === "process") throw new PluginError("it can't be run in a process of its own");
  const kind = PLUGIN_KINDS.get(extname(path));
  switch (kind) {
    case "native":
      return new NativePlugin(file, config);
    default:
      throw new PluginError(`nobody knows what to do with a file that ends in ${extname(path) || "nothing"}`);
  }
}
