import { createHash } from "node:crypto";
import { readFile, realpath } from "node:fs/promises";
import { dirname } from "node:path";
import { Alarm, type AlarmClock } from "../../base/alarms.ts";
import { FolderWatch } from "../../base/folder-watch.ts";

/** A file that is looked at. */
export interface LookedAt {
  /** Absolute. */
  readonly path: string;
  /** SHA-256 of what of it is in use, in hexadecimal digits; null: what it holds when it is looked at first. */
  readonly digest: string | null;
}

export interface FileChangesOptions {
  /** Those that count now: they may be others after each change. */
  files(): readonly LookedAt[];
  /** Some hold something else than before. It isn't called again before it has done. Mustn't reject. */
  onChange(paths: readonly string[]): Promise<void>;
  /** A file isn't there any more, or is empty: what it was made into stays. Said once. */
  onGone(path: string): void;
  readonly clock: AlarmClock;
}

/** Whatever happens, files are read again after this, milliseconds: not every file system tells of changes, or has watches left. */
const POLL_INTERVAL = 2_000;
/** Editors write in several steps, and what belongs together is saved one after the other. */
const SETTLING = 100;
const LONGEST_SETTLING = 1_000;

/**
 * Hears when files come to hold something else, however that is done: written in place, after they were cut to nothing, put in
 * the place of others, deleted and made anew, by a link that leads elsewhere, as Kubernetes does it.
 */
export class FileChanges implements Disposable {
  readonly #options: FileChangesOptions;
  readonly #alarm: Alarm;
  readonly #watches = new Map<string, FolderWatch>();
  /** Digests that were told, or needn't be. */
  #known: ReadonlyMap<string, string> = new Map();
  /** Files without anything in them. One that is so at two looks in a row isn't just being written: that is told. */
  #empty: ReadonlyMap<string, "seen" | "told"> = new Map();
  #changedAt: number | null = null;
  #isLooking = false;
  #isOver = false;

  constructor(options: FileChangesOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, () => void this.look());
  }

  /** Looks now, and from now on whenever something happens. Done when what has changed was told; never rejects. */
  async look(): Promise<void> {
    if (this.#isLooking || this.#isOver) return;
    this.#isLooking = true;
    this.#changedAt = null;
    const files = this.#options.files();
    await this.#watchFolders(files);
    const isCertain = await this.#compare(files);
    this.#isLooking = false;
    if (this.#isOver) return;
    const soon = !isCertain || this.#changedAt !== null;
    this.#alarm.set(this.#options.clock.now() + (soon ? SETTLING : POLL_INTERVAL));
  }

  /** @returns false when it should soon be looked again */
  async #compare(files: readonly LookedAt[]): Promise<boolean> {
    const known = new Map<string, string>();
    const empty = new Set<string>();
    const changed: string[] = [];
    for (const { path, digest } of files) {
      const found = await digestOf(path);
      const before = this.#known.get(path) ?? digest ?? found;
      if (before !== null) known.set(path, found ?? before);
      if (found === null) empty.add(path);
      else if (found !== before) changed.push(path);
    }
    const isFresh = [...empty].some((path) => !this.#empty.has(path));
    for (const path of empty) if (this.#empty.get(path) === "seen") this.#options.onGone(path);
    this.#empty = new Map([...empty].map((path) => [path, this.#empty.has(path) ? "told" : "seen"]));
    this.#known = known;
    if (this.#isOver) return true;
    if (changed.length > 0) await this.#options.onChange(changed);
    // What is run now may have come from other files.
    return !isFresh && changed.length === 0;
  }

  async #watchFolders(files: readonly LookedAt[]): Promise<void> {
    const folders = new Set<string>();
    for (const { path } of files) {
      folders.add(dirname(path));
      // Where a link leads, something may happen, too.
      folders.add(dirname(await realpath(path).catch(() => path)));
    }
    for (const [folder, watch] of this.#watches) {
      if (folders.has(folder)) continue;
      watch.stop();
      this.#watches.delete(folder);
    }
    for (const folder of folders) {
      const watch = this.#watches.get(folder) ?? new FolderWatch(folder, () => this.#onEvent());
      this.#watches.set(folder, watch);
      await watch.renew();
    }
    if (this.#isOver) this[Symbol.dispose]();
  }

  #onEvent(): void {
    if (this.#isOver) return;
    const now = this.#options.clock.now();
    this.#changedAt ??= now;
    if (!this.#isLooking) this.#alarm.set(Math.min(now + SETTLING, this.#changedAt + LONGEST_SETTLING));
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#alarm.clear();
    for (const watch of this.#watches.values()) watch.stop();
  }
}

/** Null for a file that isn't there, can't be read, or is empty. */
async function digestOf(path: string): Promise<string | null> {
  const bytes = await readFile(path).catch(() => null);
  return bytes === null || bytes.length === 0 ? null : createHash("sha256").update(bytes).digest("hex");
}
