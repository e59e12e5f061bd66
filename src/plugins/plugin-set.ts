import { describeThrown } from "../base/errors.ts";
import type { PluginListener } from "./isolated-plugin.ts";
import { openPlugin } from "./open-plugin.ts";
import { type Plugin, PluginError } from "./plugin.ts";
import { PluginCounts } from "./plugin-counts.ts";
import { PluginRow } from "./plugin-row.ts";
import { isSamePlugin, type PluginMaterial } from "./plugin-settings.ts";
import { PluginSlot } from "./plugin-slot.ts";

/** A plugin as threads are told of it. Plain data. */
export interface SharedPlugin {
  readonly material: PluginMaterial;
  /** What all threads count in: see `allocatePluginCounts`. */
  readonly counts: SharedArrayBuffer;
}

/** Plugins that are ready to be used. Exactly one of both is called, once. */
export interface StagedPlugins {
  /** What is opened from now on goes through them. */
  commit(): void;
  abandon(): void;
}

interface Entry {
  readonly slot: PluginSlot;
  material: PluginMaterial;
}

/** Another plugin for a place that is there. */
interface Change {
  readonly entry: Entry;
  readonly plugin: Plugin;
  readonly material: PluginMaterial;
}

/** The plugins of one thread, by the names that the configuration gives them. */
export class PluginSet {
  readonly #entries = new Map<string, Entry>();
  readonly #row: number;
  readonly #onRestart: ((name: string, why: string) => void) | null;

  /**
   * @param row whose counts this thread writes
   * @param onRestart hears when the process of a plugin ended by itself
   */
  constructor(row: number, onRestart: ((name: string, why: string) => void) | null = null) {
    this.#row = row;
    this.#onRestart = onRestart;
  }

  /**
   * Begins those of `plugins` that aren't there, which can be used at once, and gets those ready that are to take the place of
   * others. Rejects with a `PluginError` for the first that can't be used; then all is as it was.
   */
  async stage(plugins: readonly SharedPlugin[]): Promise<StagedPlugins> {
    const begun: string[] = [];
    const changes: Change[] = [];
    const abandon = (): void => {
      for (const { plugin } of changes) plugin.close();
      for (const name of begun) this.#remove(name);
    };
    try {
      for (const { material, counts } of plugins) {
        const entry = this.#entries.get(material.name);
        if (entry !== undefined && isSamePlugin(entry.material, material)) continue;
        const counted = entry?.slot.counts ?? new PluginCounts(counts, this.#row);
        const plugin = await this.#open(material, counted);
        if (entry !== undefined) changes.push({ entry, plugin, material });
        else {
          begun.push(material.name);
          this.#entries.set(material.name, {
            slot: new PluginSlot(material.name, plugin, counted),
            material,
          });
        }
      }
    } catch (error) {
      abandon();
      throw error;
    }
    return { commit: () => replaceAll(changes), abandon };
  }

  async #open(material: PluginMaterial, counts: PluginCounts): Promise<Plugin> {
    const { name } = material;
    try {
      return await openPlugin(material, this.#listenerOf(name, counts));
    } catch (error) {
      throw new PluginError(`Plugin ${name} can't be used: ${describeThrown(error)}`, { cause: error });
    }
  }

  #listenerOf(name: string, counts: PluginCounts): PluginListener {
    return {
      onRestart: (why) => {
        counts.noteRestart();
        this.#onRestart?.(name, why);
      },
    };
  }

  /** Uses another plugin in the place of one that is there; see `stage` for what it rejects with. */
  async set(plugin: SharedPlugin): Promise<void> {
    if (!this.#entries.has(plugin.material.name)) return;
    const staged = await this.stage([plugin]);
    staged.commit();
  }

  /** Ends those whose names aren't given, each when its last connection is closed. */
  keepOnly(names: readonly string[]): void {
    for (const name of this.#entries.keys()) if (!names.includes(name)) this.#remove(name);
  }

  #remove(name: string): void {
    this.#entries.get(name)?.slot.close();
    this.#entries.delete(name);
  }

  /**
   * Plugins in a row, as a listener or a route lists them; null when it lists none.
   * @throws RangeError when there is no such plugin
   */
  row(names: readonly string[]): PluginRow | null {
    if (names.length === 0) return null;
    return new PluginRow(names.map((name) => this.#slotOf(name)));
  }

  #slotOf(name: string): PluginSlot {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new RangeError(`There is no plugin ${JSON.stringify(name)}`);
    return entry.slot;
  }

  /** Ends all of them, each when its last connection is closed. */
  close(): void {
    this.keepOnly([]);
  }
}

function replaceAll(changes: readonly Change[]): void {
  for (const { entry, plugin, material } of changes) {
    entry.slot.replace(plugin);
    entry.material = material;
  }
}
