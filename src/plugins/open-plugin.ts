import { IsolatedPlugin, type PluginListener } from "./isolated-plugin.ts";
import { openHere } from "./open-here.ts";
import type { Plugin } from "./plugin.ts";
import type { PluginMaterial } from "./plugin-settings.ts";

/** Begins a plugin for this thread. Rejects with a `PluginError` that says what is wrong with it. */
export async function openPlugin(
  material: PluginMaterial,
  listener: PluginListener | null = null,
): Promise<Plugin> {
  return material.isolate === "process"
    ? await IsolatedPlugin.start(material, listener)
    : await openHere(material);
}
