import { resolve } from "node:path";
import type { CacheSettings } from "../cache/cache-settings.ts";
import type { RouteCacheSettings } from "../filters/settings.ts";
import { formatPath } from "./config-error.ts";
import type { Path } from "./document-entries.ts";
import { resolveIn } from "./resolve-in.ts";
import type { FileSurroundings } from "./resolve-upstream-tls.ts";
import { type CacheDraft, type CacheUseDraft, cacheOf } from "./schema/cache.ts";

/** The caches of a document as they are found: those with names, and those whose size is written down where they are used. */
export class CacheTable {
  readonly #defined: Readonly<Record<string, CacheDraft>>;
  readonly #folder: string;
  readonly #note: FileSurroundings["note"];
  readonly #found = new Map<string, CacheSettings>();

  constructor(defined: Readonly<Record<string, CacheDraft>>, { folder, note }: FileSurroundings) {
    this.#defined = defined;
    this.#folder = folder;
    this.#note = note;
    this.#checkFolders();
  }

  /** Every cache that is used, each once. */
  get all(): readonly CacheSettings[] {
    return [...this.#found.values()];
  }

  /**
   * How requests use a cache; whether its name leads anywhere was checked before.
   * @param draft null: they use none; undefined: as the listener says
   * @param path where it stands: what has no name is called by that, so that it is the same after a reload
   */
  resolve(
    draft: CacheUseDraft | null | undefined,
    path: Path,
    listener: RouteCacheSettings | null,
  ): RouteCacheSettings | null {
    if (draft === undefined) return listener;
    if (draft === null) return null;
    const name = this.#nameOf(draft, path) ?? listener?.use;
    if (name !== undefined) return { ...draft, use: name };
    const message = "use is missing, and the listener has no cache";
    this.#note({ path, message, expected: "the name of a cache, or a size like 256MiB" });
    return null;
  }

  #nameOf({ use }: CacheUseDraft, path: Path): string | undefined {
    if (use === null) return undefined;
    if (typeof use === "string") return this.#take(use, this.#defined[use]!);
    return this.#take(formatPath(path), cacheOf(use));
  }

  #take(name: string, draft: CacheDraft): string {
    if (this.#found.has(name)) return name;
    const disk = draft.disk && { ...draft.disk, path: resolveIn(this.#folder, draft.disk.path) };
    this.#found.set(name, { ...draft, disk, name });
    return name;
  }

  /** Each would remove what the other one writes. */
  #checkFolders(): void {
    const owners = new Map<string, string>();
    for (const [name, { disk }] of Object.entries(this.#defined)) {
      if (disk === null) continue;
      const folder = resolve(this.#folder, disk.path);
      const owner = owners.get(folder);
      const message = `the cache ${owner} has this folder`;
      if (owner !== undefined)
        this.#note({ path: ["caches", name, "disk", "path"], message, expected: "a folder of its own" });
      owners.set(folder, name);
    }
  }
}
