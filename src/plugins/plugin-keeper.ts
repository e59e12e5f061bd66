import type { AlarmClock } from "../base/alarms.ts";
import { describeThrown } from "../base/errors.ts";
import { type FileReading, WatchedFiles } from "../base/watched-files.ts";
import { openPlugin } from "./open-plugin.ts";
import { PluginError } from "./plugin.ts";
import { type PluginCopies, readPluginFile } from "./plugin-files.ts";
import type { PluginMaterial, PluginSettings } from "./plugin-settings.ts";

export interface KeeperListener {
  /** Another file has come by the plugin's name, and can be used in the place of the one before. */
  onMaterial(material: PluginMaterial, before: PluginMaterial): void;
  /** The file has changed, but can't be used: what there was stays. Said once for each problem. */
  onProblem(problem: string): void;
}

/** A copy that was tried. */
interface Tried {
  readonly material: PluginMaterial;
  readonly title: string;
}

/** Looks after the file of one plugin, and has a copy of it for the threads that load it. */
export class PluginKeeper {
  readonly settings: PluginSettings;
  readonly #copies: PluginCopies;
  readonly #files: WatchedFiles<Tried>;
  #last: Tried | null = null;
  /** What was told of last. */
  #told: PluginMaterial | null = null;

  constructor(settings: PluginSettings, copies: PluginCopies, clock: AlarmClock, listener: KeeperListener) {
    this.settings = settings;
    this.#copies = copies;
    const reading: FileReading<Tried> = {
      files: [settings.path],
      read: () => this.#read(),
      identityOf: ({ material }) => material.digest,
    };
    this.#files = new WatchedFiles([reading], clock, {
      onChange: ([tried]) => {
        const before = this.#told!;
        this.#told = tried!.material;
        listener.onMaterial(tried!.material, before);
      },
      onProblem: (problem) => listener.onProblem(problem),
    });
  }

  /** Copies the plugin and tries it. Rejects with a `PluginError` that names it. */
  async load(): Promise<void> {
    await this.#files.load();
    this.#told = this.material;
  }

  /** Looks out for changes from now on; only after `load`. */
  async watch(): Promise<void> {
    await this.#files.watch();
  }

  /** The copy that is to be used now. */
  get material(): PluginMaterial {
    return this.#last!.material;
  }

  /** What the plugin calls itself. */
  get title(): string {
    return this.#last!.title;
  }

  /** Looks at the file now, and not only when somebody tells of a change. */
  async look(): Promise<void> {
    await this.#files.look();
  }

  stop(): void {
    this.#files.stop();
  }

  async #read(): Promise<Tried> {
    const { path, name } = this.settings;
    try {
      const file = await readPluginFile(path);
      if (this.#last?.material.digest === file.digest) return this.#last;
      const material = {
        ...this.settings,
        file: await this.#copies.add(path, file),
        digest: file.digest,
      };
      this.#last = await this.#try(material);
      return this.#last;
    } catch (error) {
      throw new PluginError(`Plugin ${name} (${path}) can't be used: ${describeThrown(error)}`);
    }
  }

  /** Begins and ends it once: whatever is wrong with it is better found here than in threads that have work to do. */
  async #try(material: PluginMaterial): Promise<Tried> {
    try {
      const plugin = await openPlugin(material);
      const { name: title, transforms } = plugin;
      plugin.close();
      if (transforms || !material.mustTransform) return { material, title };
      throw new PluginError("it has no sluice_transform, without which it does nothing on a TCP listener");
    } catch (error) {
      await this.#copies.remove(material.file);
      // Nobody knows the copy, and each has another name.
      throw new PluginError(describeThrown(error).replaceAll(material.file, material.path));
    }
  }
}
