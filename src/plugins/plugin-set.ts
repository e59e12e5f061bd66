import { openPlugin } from "./open-plugin.ts";
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

interface Entry {
  readonly slot: PluginSlot;
  material: PluginMaterial;
}

/** The plugins of one thread, by the names that the configuration gives them. */
export class PluginSet {
  readonly #entries = new Map<string, Entry>();
  readonly #row: number;

  /** @param row whose counts this thread writes */
  constructor(row: number) {
    this.#row = row;
  }

  /**
   * Begins those of `plugins` that aren't there, and exchanges those that are and are others. Rejects with a `PluginError` for the
   * first that can't be used, which leaves what was there before in its place.
   */
  async add(plugins: readonly SharedPlugin[]): Promise<void> {
    for (const plugin of plugins) await this.#set(plugin);
  }

  async #set({ material, counts }: SharedPlugin): Promise<void> {
    const { name } = material;
    const known = this.#entries.get(name);
    if (known !== undefined && isSamePlugin(known.material, material)) return;
    const plugin = await openPlugin(material);
    const entry = this.#entries.get(name);
    if (entry === undefined) {
      const slot = new PluginSlot(name, plugin, new PluginCounts(counts, this.#row));
      this.#entries.set(name, { slot, material });
    } else {
      entry.slot.replace(plugin);
      entry.material = material;
    }
  }

  /** Ends those whose names aren't given, each when its last connection is closed. */
  keepOnly(names: readonly string[]): void {
    for (const [name, { slot }] of this.#entries) {
      if (names.includes(name)) continue;
      slot.close();
      this.#entries.delete(name);
    }
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
