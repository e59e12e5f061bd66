import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Alarm, type AlarmClock } from "../../../base/alarms.ts";
import { DiskIndex } from "./disk-index.ts";
import { Role, viewDiskMemory } from "./disk-memory.ts";
import { FileCalls } from "./file-calls.ts";
import { shardNames, UNDER_WAY } from "./file-names.ts";
import { prepareFolder } from "./folder.ts";
import { Ownership } from "./ownership.ts";
import { type DiskProblem, Problems } from "./problems.ts";
import { bytesOf, scanShard } from "./scan.ts";
import { Sweeper } from "./sweeper.ts";
import { isRunning, thisProcess } from "./this-process.ts";

/** Of the number of a thread that no store has. */
const KEEPER = 0xffe;
/** Milliseconds between two looks whose the folder is. */
const LOOK = 1000;
/** What a process that had the folder needs at the most to hear that it has it no longer. */
const HAND_OVER = 2.5 * LOOK;
const SHARDS_AT_ONCE = 4;
/** Milliseconds between two looks at all files. */
const INSPECTION = 3_600_000;

export interface DiskKeeperOptions {
  readonly folder: string;
  readonly memory: SharedArrayBuffer;
  readonly clock: AlarmClock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Tells this keeper apart from others of the same process. */
  readonly mark: string;
  readonly onProblem: (problem: DiskProblem) => void;
}

/**
 * Who looks after a folder, once in a process: makes it what it should be, removes what a process left that died, tells the index what is
 * there, and now and then whether that is still so. Stores serve from the beginning; they write once it is known how much there is.
 */
export class DiskKeeper {
  /** Resolves when the first look at all files is over. */
  readonly ready: Promise<void>;
  readonly #folder: string;
  readonly #index: DiskIndex;
  readonly #calls: FileCalls = new FileCalls();
  readonly #process: string = thisProcess();
  readonly #ownership: Ownership;
  readonly #problems: Problems;
  readonly #sweeper: Sweeper;
  readonly #clock: AlarmClock;
  readonly #alarm: Alarm;
  #work: Promise<void>;
  #inspectAt = 0;
  #isClosed = false;
  /** Ends a wait early. */
  #hurry: (() => void) | null = null;

  /** @throws DiskFolderError when the folder can't be used */
  static async open(options: DiskKeeperOptions): Promise<DiskKeeper> {
    await prepareFolder(options.folder);
    const ownership = new Ownership(options.folder, thisProcess(), options.mark);
    return new DiskKeeper(options, ownership, await ownership.claim());
  }

  private constructor(options: DiskKeeperOptions, ownership: Ownership, isHandedOver: boolean) {
    const { folder, clock } = options;
    this.#folder = folder;
    this.#index = new DiskIndex(viewDiskMemory(options.memory), KEEPER);
    this.#ownership = ownership;
    this.#problems = new Problems(options.onProblem, options.now);
    this.#clock = clock;
    this.#sweeper = new Sweeper({
      ...{ folder, index: this.#index, calls: this.#calls, process: this.#process },
      onProblem: (error) => this.#problems.onWriteError(error),
    });
    this.#alarm = new Alarm(clock, () => {
      this.#work = this.#lookAgain();
    });
    this.#index.setRole(Role.Starting);
    this.ready = this.#begin(isHandedOver);
    this.#work = this.ready;
  }

  /** A worker died: what it wrote has failed, what it had open is closed. */
  forgetThread(thread: number): void {
    this.#index.forgetThread(thread);
    this.#sweeper.sweep();
  }

  /** The folder is anybody's from now on. To be called after all stores are closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#alarm.clear();
    this.#hurry?.();
    await this.#work;
    this.#index.setRole(Role.Closed);
    await this.#sweeper.done();
    await this.#ownership.release();
  }

  /** Looks at all files, and says what isn't as it was thought. */
  async inspect(): Promise<void> {
    const index = this.#index;
    this.#inspectAt = this.#clock.now() + INSPECTION;
    index.beginRound();
    const there = await this.#shardsThere();
    let bytes = (await this.#inspectUnderWay()) + (await restOf(this.#folder));
    const shards = there.values();
    const inspectSome = async (): Promise<void> => {
      for (const shard of shards) {
        const more = this.#isClosed ? 0 : await this.#inspectShard(shard);
        bytes += more;
      }
    };
    await Promise.all(Array.from({ length: SHARDS_AT_ONCE }, inspectSome));
    if (this.#isClosed) return;
    index.setFolders(bytes);
    await index.endRound();
    this.#sweeper.sweep();
  }

  /** Looks whose the folder is, and whether there is anything to do; as it does each second. */
  async look(): Promise<void> {
    try {
      await this.#lookWhose();
    } catch (error) {
      this.#problems.onWriteError(error as Error);
    }
  }

  async #begin(isHandedOver: boolean): Promise<void> {
    if (isHandedOver) await this.#wait(HAND_OVER);
    await this.#takeOver();
    if (!this.#isClosed) this.#alarm.set(this.#clock.now() + LOOK);
  }

  async #takeOver(): Promise<void> {
    await this.inspect();
    if (this.#isClosed) return;
    while (this.#index.trim()) await this.#sweeper.done();
    await this.#sweeper.done();
    this.#index.setRole(Role.Writing);
  }

  async #lookAgain(): Promise<void> {
    await this.look();
    if (!this.#isClosed) this.#alarm.set(this.#clock.now() + LOOK);
  }

  async #lookWhose(): Promise<void> {
    const whose = await this.#ownership.look();
    if (whose === "other") return this.#index.setRole(Role.Reading);
    if (whose === "nobody") {
      this.#index.setRole(Role.Starting);
      await this.#ownership.claim();
    }
    if (this.#index.role === Role.Writing && this.#clock.now() < this.#inspectAt) return;
    if (this.#index.role === Role.Writing) await this.inspect();
    else await this.#takeOver();
  }

  /** Shards that have a folder; the others are known at once. */
  async #shardsThere(): Promise<number[]> {
    const names = new Set(await readdir(this.#folder));
    const there: number[] = [];
    for (const [shard, name] of shardNames.entries()) {
      if (names.has(name)) there.push(shard);
      else this.#index.setScanned(shard);
    }
    return there;
  }

  async #inspectShard(shard: number): Promise<number> {
    try {
      const { bytes, strangers } = await scanShard(this.#folder, shard, this.#index, this.#calls);
      if (strangers.length > 0)
        this.#problems.onReadError(new Error(`${strangers[0]} isn't the cache's, and stays`));
      // What is too much, or comes twice, goes before there is more.
      await this.#sweeper.done();
      return bytes;
    } catch (error) {
      this.#problems.onReadError(error as Error);
      this.#index.setScanned(shard);
      return 0;
    }
  }

  /** Files of processes that died are of no use; those of another one that lives are counted. */
  async #inspectUnderWay(): Promise<number> {
    const folder = join(this.#folder, UNDER_WAY);
    let bytes = await bytesOf(folder);
    try {
      for (const name of await readdir(folder)) {
        const process = name.slice(name.indexOf(".") + 1);
        if (process === this.#process) continue;
        if (isRunning(process)) bytes += await bytesOf(join(folder, name));
        else await this.#calls.remove(join(folder, name));
      }
    } catch (error) {
      this.#problems.onReadError(error as Error);
    }
    return bytes;
  }

  #wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.#hurry = resolve;
      new Alarm(this.#clock, resolve).set(this.#clock.now() + milliseconds);
    });
  }
}

/** What the folder takes itself, with the files in it that are no entries. */
async function restOf(folder: string): Promise<number> {
  let bytes = await bytesOf(folder);
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (!entry.isDirectory()) bytes += await bytesOf(join(folder, entry.name));
  return bytes;
}
