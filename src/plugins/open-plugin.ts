import { openHere } from "./open-here.ts";
import { type Plugin, PluginError } from "./plugin.ts";
import type { PluginMaterial } from "./plugin-settings.ts";

/** Begins a plugin in this thread. Rejects with a `PluginError` that says what is wrong with it. */
export async function openPlugin(material: PluginMaterial): Promise<Plugin> {
  if (material.isolate === "process") throw new PluginError("it can't be run in a process of its own");
  return await openHere(material);
}
