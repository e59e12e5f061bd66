import { stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Alarm, type AlarmClock } from "./alarms.ts";
import { describeThrown } from "./errors.ts";
import { FolderWatch } from "./folder-watch.ts";

/** Something that is made of one file or of several. */
export interface FileReading<T> {
  /** Relative paths start at the working directory. */
  readonly files: readonly string[];
  /** Rejects with what is wrong with the files. */
  read(): Promise<T>;
  /** Equal when nothing has changed. */
  identityOf(value: T): string;
}

export interface FileListener<T> {
  /** All of it, after some of it changed, and what changed. */
  onChange(values: readonly T[], changed: readonly T[]): void;
  /** A changed file can't be used: what was read before stays. Said once for each problem. */
  onProblem(problem: string): void;
}

/** Whatever happens, the files are read again after this: file systems of other machines tell nobody of changes. */
const POLL_INTERVAL = 5_000;
/** Files that belong together are exchanged one after the other, and none is written whole at once. */
const SETTLING = 100;
const LONGEST_SETTLING = 400;

/** Things that are read from files, and again whenever these change. */
export class WatchedFiles<T> {
  readonly #entries: readonly Entry<T>[];
  readonly #clock: AlarmClock;
  readonly #listener: FileListener<T>;
  readonly #watches: readonly FolderWatch[];
  readonly #alarm: Alarm;
  #changedAt: number | null = null;
  #looking = false;
  #stopped = false;

  constructor(readings: readonly FileReading<T>[], clock: AlarmClock, listener: FileListener<T>) {
    this.#entries = readings.map((reading) => new Entry(reading));
    this.#clock = clock;
    this.#listener = listener;
    const folders = new Set(readings.flatMap(({ files }) => files.map((file) => dirname(resolve(file)))));
    this.#watches = [...folders].map((folder) => new FolderWatch(folder, () => this.#onChange()));
    this.#alarm = new Alarm(clock, () => void this.look());
  }

  /** Reads all of them for the first time, and tells nobody. Rejects for the first that can't be used. */
  async load(): Promise<readonly T[]> {
    for (const entry of this.#entries) await entry.load();
    return this.values;
  }

  /** Looks out for changes from now on; only after `load`. */
  async watch(): Promise<void> {
    await this.#renewWatches();
    this.#setAlarm(this.#clock.now() + POLL_INTERVAL);
  }

  stop(): void {
    this.#stopped = true;
    this.#alarm.clear();
    for (const watch of this.#watches) watch.stop();
  }

  /** Reads again what has changed, at once. */
  async look(): Promise<void> {
    if (this.#looking || this.#stopped) return;
    this.#looking = true;
    this.#changedAt = null;
    await this.#renewWatches();
    const changed: T[] = [];
    let again = false;
    for (const entry of this.#entries) {
      const outcome = await entry.reread();
      if (outcome === "changed") changed.push(entry.value);
      else if (outcome === "suspect") again = true;
      else if (outcome !== "same") this.#listener.onProblem(outcome.message);
    }
    this.#looking = false;
    if (this.#stopped) return;
    if (changed.length > 0) this.#listener.onChange(this.values, changed);
    // Something changed while the files were read.
    const isStale = again || this.#changedAt !== null;
    this.#setAlarm(this.#clock.now() + (isStale ? SETTLING : POLL_INTERVAL));
  }

  /** As they were read last. */
  get values(): readonly T[] {
    return this.#entries.map((entry) => entry.value);
  }

  async #renewWatches(): Promise<void> {
    for (const watch of this.#watches) await watch.renew();
    if (this.#stopped) for (const watch of this.#watches) watch.stop();
  }

  #onChange(): void {
    if (this.#stopped) return;
    const now = this.#clock.now();
    this.#changedAt ??= now;
    if (!this.#looking) this.#setAlarm(Math.min(now + SETTLING, this.#changedAt + LONGEST_SETTLING));
  }

  #setAlarm(at: number): void {
    if (!this.#stopped) this.#alarm.set(at);
  }
}

/** One thing, as its files last had it when they could be used. */
class Entry<T> {
  value!: T;
  readonly #reading: FileReading<T>;
  /** What the files looked like from outside when they were read last; null: they have to be read to know. */
  #look: string | null = null;
  #problem: string | null = null;
  #isTold = false;

  constructor(reading: FileReading<T>) {
    this.#reading = reading;
  }

  async load(): Promise<void> {
    this.#look = null;
    const look = await lookOf(this.#reading.files);
    this.value = await this.#reading.read();
    this.#look = look;
  }

  /** "suspect" when the files can't be used, but were perhaps read in the middle of a change: look again soon. */
  async reread(): Promise<"same" | "changed" | "suspect" | Error> {
    if (this.#look !== null && this.#look === (await lookOf(this.#reading.files))) return "same";
    try {
      const before = this.#reading.identityOf(this.value);
      await this.load();
      this.#problem = null;
      this.#isTold = false;
      return this.#reading.identityOf(this.value) === before ? "same" : "changed";
    } catch (error) {
      return this.#fail(describeThrown(error));
    }
  }

  #fail(problem: string): "same" | "suspect" | Error {
    const isNew = problem !== this.#problem;
    this.#problem = problem;
    if (isNew) this.#isTold = false;
    if (this.#isTold) return "same";
    if (isNew) return "suspect";
    this.#isTold = true;
    return new Error(problem);
  }
}

/** Milliseconds. What changed less long ago may change again without another time: clocks of file systems have coarse steps. */
const FRESH = 2_000;

/**
 * What files look like from outside: with hundreds of certificates it would take a noticeable part of a processor to read all of them
 * every few seconds. Null when that says nothing for certain.
 */
async function lookOf(files: readonly string[]): Promise<string | null> {
  const looks: string[] = [];
  const newest = Date.now() - FRESH;
  for (const file of files) {
    const found = await stat(file, { bigint: true }).catch(() => null);
    if (found === null || found.ctimeMs > newest || found.mtimeMs > newest) return null;
    looks.push(`${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}`);
  }
  return looks.join(" ");
}
