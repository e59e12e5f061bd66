import type { CacheSettings } from "../cache/cache-settings.ts";
import type { RouteCacheSettings } from "../filters/settings.ts";
import { formatPath } from "./config-error.ts";
import type { Path } from "./document-entries.ts";
import { type CacheDraft, type CacheUseDraft, cacheOf } from "./schema/cache.ts";
import type { Finding } from "./source-document.ts";

/** The caches of a document as they are found: those with names, and those whose size is written down where they are used. */
export class CacheTable {
  readonly #defined: Readonly<Record<string, CacheDraft>>;
  readonly #note: (finding: Finding) => void;
  readonly #found = new Map<string, CacheSettings>();

  /** @param note is told what is wrong */
  constructor(defined: Readonly<Record<string, CacheDraft>>, note: (finding: Finding) => void) {
    this.#defined = defined;
    this.#note = note;
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
    if (!this.#found.has(name)) this.#found.set(name, { ...draft, name });
    return name;
  }
}
