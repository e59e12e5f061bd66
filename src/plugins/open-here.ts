import { extname } from "node:path";
import { NativePlugin } from "./native-plugin.ts";
import { type Plugin, PluginError } from "./plugin.ts";
import { PLUGIN_KINDS, type PluginMaterial } from "./plugin-settings.ts";
import { WasmPlugin } from "./wasm-plugin.ts";

/** What it takes to begin a plugin within this thread. Plain data. */
export type PluginSource = Pick<PluginMaterial, "path" | "file" | "config">;

/** Begins a plugin within this thread, by what its file is. Rejects with a `PluginError` that says what is wrong with it. */
export async function openHere({ path, file, config }: PluginSource): Promise<Plugin> {
  switch (PLUGIN_KINDS.get(extname(path))) {
    case "native":
      return new NativePlugin(file, config);
    case "wasm":
      return await WasmPlugin.open(file, config);
    default:
      throw new PluginError(`nobody knows what to do with a file that ends in ${extname(path) || "nothing"}`);
  }
}
