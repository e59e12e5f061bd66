import type { Logger } from "pino";
import { type AlarmClock, idleAlarms } from "../base/alarms.ts";
import { allocatePluginCounts, type PluginTotals, sumPluginCounts } from "../plugins/plugin-counts.ts";
import { PluginCopies } from "../plugins/plugin-files.ts";
import { PluginKeeper } from "../plugins/plugin-keeper.ts";
import type { SharedPlugin } from "../plugins/plugin-set.ts";
import {
  isSameSettings,
  type PluginIsolation,
  type PluginMaterial,
  type PluginSettings,
} from "../plugins/plugin-settings.ts";
import { inTime, isBusy } from "./patiently.ts";

/** A plugin that is used, and what it has done. Plain data. */
export interface PluginStatus extends PluginTotals {
  /** What the configuration calls it. */
  readonly name: string;
  /** What it calls itself. */
  readonly title: string;
  readonly path: string;
  /** The beginning of the SHA-256 of the file that is in use. */
  readonly version: string;
  readonly isolate: PluginIsolation;
}

/** The plugins of a running process, for those who show them. */
export interface Plugins {
  plugins(): PluginStatus[];
  /** The folder that copies of their files stand in; null where there are none. */
  readonly folder: string | null;
}

/** Plugins that are ready to be used in the place of others. Exactly one of both is called, once. */
export interface PluginStage {
  /** What threads are told to begin with. */
  readonly standing: readonly SharedPlugin[];
  commit(): Promise<void>;
  abandon(): Promise<void>;
}

interface Kept {
  readonly keeper: PluginKeeper;
  readonly counts: SharedArrayBuffer;
}

const VERSION_LENGTH = 12;

/**
 * The plugins of all threads, kept by the main thread: their files are copied, tried and watched here alone. What happens is
 * written to the log once.
 *
 *     file ──▶ PluginKeeper ──▶ onPlugin ──▶ the order "setPlugin" ──▶ every thread
 */
export class PluginKeepers implements Plugins {
  /** Has all threads use another file; kept when they do. */
  onPlugin: ((plugin: SharedPlugin) => Promise<void>) | null = null;
  readonly #log: Logger;
  readonly #rows: number;
  readonly #clock: AlarmClock;
  readonly #copies = new PluginCopies();
  #kept: ReadonlyMap<string, Kept> = new Map();

  /** @param rows threads that may count at once, those included that only finish what they have */
  constructor(log: Logger, rows: number, clock: AlarmClock = idleAlarms) {
    this.#log = log;
    this.#rows = rows;
    this.#clock = clock;
  }

  /** What threads that start are told to begin with. */
  get standing(): readonly SharedPlugin[] {
    return [...this.#kept.values()].map(toShared);
  }

  get folder(): string | null {
    return this.#copies.folder;
  }

  plugins(): PluginStatus[] {
    return [...this.#kept].map(([name, { keeper, counts }]) => {
      const { path, isolate, digest } = keeper.material;
      const version = digest.slice(0, VERSION_LENGTH);
      return { name, title: keeper.title, path, version, isolate, ...sumPluginCounts(counts) };
    });
  }

  /**
   * Copies and tries those that are new or have another configuration; nothing changes before the commit.
   * Rejects with a `PluginError` for the first that can't be used.
   */
  async stage(wanted: readonly PluginSettings[]): Promise<PluginStage> {
    const next = new Map<string, Kept>();
    const begun: PluginKeeper[] = [];
    try {
      for (const settings of wanted) {
        const known = this.#kept.get(settings.name);
        if (known !== undefined && isSameSettings(known.keeper.settings, settings)) {
          next.set(settings.name, known);
          continue;
        }
        const keeper = this.#keep(settings);
        await keeper.load();
        begun.push(keeper);
        // Counts go on where a plugin only has another configuration.
        next.set(settings.name, { keeper, counts: known?.counts ?? allocatePluginCounts(this.#rows) });
      }
    } catch (error) {
      await this.#letGo(begun);
      throw error;
    }
    return {
      standing: [...next.values()].map(toShared),
      commit: () => this.#replaceBy(next),
      abandon: () => this.#letGo(begun),
    };
  }

  async #replaceBy(next: ReadonlyMap<string, Kept>): Promise<void> {
    const before = this.#kept;
    this.#kept = next;
    for (const [name, { keeper }] of next) if (before.get(name)?.keeper !== keeper) await keeper.watch();
    const gone = [...before].filter(([name, { keeper }]) => next.get(name)?.keeper !== keeper);
    await this.#letGo(gone.map(([, { keeper }]) => keeper));
  }

  async #letGo(keepers: readonly PluginKeeper[]): Promise<void> {
    for (const keeper of keepers) {
      keeper.stop();
      await this.#copies.remove(keeper.material.file);
    }
  }

  #keep(settings: PluginSettings): PluginKeeper {
    const { name: plugin } = settings;
    return new PluginKeeper(settings, this.#copies, this.#clock, {
      onMaterial: (material, before) => void this.#exchange(material, before),
      onProblem: (problem) =>
        this.#log.error({ plugin, problem }, "A plugin can't be used: the one before stays"),
    });
  }

  async #exchange(material: PluginMaterial, before: PluginMaterial): Promise<void> {
    const { name: plugin, digest } = material;
    const kept = this.#kept.get(plugin);
    if (kept === undefined) return;
    try {
      await inTime(Promise.resolve(this.onPlugin?.({ material, counts: kept.counts })));
      this.#log.info(
        { plugin, version: digest.slice(0, VERSION_LENGTH) },
        "Plugin was exchanged: connections begin with the new one",
      );
    } catch (error) {
      const outcome = isBusy(error)
        ? "Plugin was exchanged, but not in all threads yet"
        : "A thread can't use this plugin: the one before stays";
      this.#log.error({ plugin, problem: (error as Error).message }, outcome);
    }
    await this.#copies.remove(before.file);
  }

  /** Looks at all files now. */
  async look(): Promise<void> {
    for (const { keeper } of this.#kept.values()) await keeper.look();
  }

  /** Looks at no file any more, and removes the copies. Threads go on with what they have loaded. */
  stop(): void {
    for (const { keeper } of this.#kept.values()) keeper.stop();
    this.#copies.close();
  }
}

function toShared({ keeper, counts }: Kept): SharedPlugin {
  return { material: keeper.material, counts };
}
