import { openPlugin } from "./open-plugin.ts";
import { PluginCounts } from "./plugin-counts.ts";
import { PluginRow } from "./plugin-row.ts";
import { isSamePlugin, type PluginMaterial } from "./plugin-settings.ts";
import { PluginSlot } from "./plugin-slot.ts";

/** What all threads count of plugins, by their names. */
export type PluginMemories = ReadonlyMap<string, SharedArrayBuffer>;

interface Entry {
  readonly slot: PluginSlot;
  material: PluginMaterial;
}

/** The plugins of one thread, by the names that the configuration gives them. */
export class PluginSet {
  readonly #entries = new Map<string, Entry>();
  readonly #memories: PluginMemories;
  readonly #thread: number;

  constructor(memories: PluginMemories, thread: number) {
    this.#memories = memories;
    this.#thread = thread;
  }

  /**
   * Begins those of `materials` that aren't there, and exchanges those that are and are others. Rejects with a `PluginError` for the
   * first that can't be used, which leaves what was there before in its place.
   */
  async add(materials: readonly PluginMaterial[]): Promise<void> {
    for (const material of materials) await this.#set(material);
  }

  async #set(material: PluginMaterial): Promise<void> {
    const { name } = material;
    const known = this.#entries.get(name);
    if (known !== undefined && isSamePlugin(known.material, material)) return;
    const plugin = await openPlugin(material);
    const entry = this.#entries.get(name);
    if (entry === undefined) {
      this.#entries.set(name, { slot: new PluginSlot(name, plugin, this.#countsOf(name)), material });
    } else {
      entry.slot.replace(plugin);
      entry.material = material;
    }
  }

  #countsOf(name: string): PluginCounts {
    const memory = this.#memories.get(name);
    return memory === undefined ? PluginCounts.local() : new PluginCounts(memory, this.#thread);
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
