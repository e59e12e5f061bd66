import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Alarm, type AlarmClock } from "../../../base/alarms.ts";
import { PurgeFile } from "../../purges/purge-file.ts";
import { DiskIndex } from "./disk-index.ts";
import { Role, viewDiskMemory } from "./disk-memory.ts";
import { inDiskBlocks } from "./disk-writer.ts";
import { FileCalls } from "./file-calls.ts";
import { MARKER, PURGES, shardNames, UNDER_WAY } from "./file-names.ts";
import { DiskFolderError, notWritable, prepareFolder } from "./folder.ts";
import { Ownership } from "./ownership.ts";
import { type DiskProblem, Problems } from "./problems.ts";
import { bytesOf, scanShard } from "./scan.ts";
import { Sweeper } from "./sweeper.ts";
import { isRunning, thisProcess } from "./this-process.ts";

/** Of the number of a thread that no store has. */
const KEEPER = 0xffe;
/** Milliseconds between two looks whose the folder is, and between those of who waits for it. */
const LOOK = 1000;
const WAITING_LOOK = 100;
const SHARDS_AT_ONCE = 4;
/** Milliseconds between two looks at all files. */
const INSPECTION = 3_600_000;

export interface DiskKeeperOptions {
  readonly folder: string;
  readonly memory: SharedArrayBuffer;
  /** What was purged of it, of `createPurges`; null: nothing ever is. */
  readonly purges: SharedArrayBuffer | null;
  readonly clock: AlarmClock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Tells this keeper apart from others of the same process. */
  readonly mark: string;
  /** Whether the folder is waited for while it is another process's, as during an upgrade. One of the same process is always waited for. */
  readonly waitsFor?: (pid: number) => boolean;
  /** Whether anything may be made there yet: not before this process is the user that it is to be. Default: at once */
  readonly mayBegin?: () => boolean;
  readonly onProblem: (problem: DiskProblem) => void;
}

/**
 * Who looks after a folder, once in a process: makes it what it should be, removes what a process left that died, tells the index what is
 * there, and now and then whether that is still so. Stores serve from when it is theirs; they write once it is known how much there is.
 *
 *     waiting ──nobody has it──▶ starting ──all files are known──▶ writing ──close──▶ closed
 *        ▲                                                           │
 *        └──────────────────────another process has it───────────────┘
 */
export class DiskKeeper {
  /** Resolves when the first look at all files is over, or it is closed. */
  readonly ready: Promise<void>;
  readonly #options: DiskKeeperOptions;
  readonly #folder: string;
  readonly #index: DiskIndex;
  readonly #calls: FileCalls = new FileCalls();
  readonly #process: string = thisProcess();
  readonly #ownership: Ownership;
  readonly #problems: Problems;
  readonly #sweeper: Sweeper;
  readonly #purges: PurgeFile | null;
  readonly #clock: AlarmClock;
  readonly #alarm: Alarm;
  readonly #readiness: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #work: Promise<void> = Promise.resolve();
  #inspectAt = 0;
  #purgeBytes = 0;
  #isClosed = false;

  /**
   * Resolves when what is there can be given out, or is waited for.
   * @throws DiskFolderError when the folder can't be used
   */
  static async open(options: DiskKeeperOptions): Promise<DiskKeeper> {
    await prepareFolder(options.folder);
    const keeper = new DiskKeeper(options);
    await keeper.#open();
    return keeper;
  }

  private constructor(options: DiskKeeperOptions) {
    const { folder, clock } = options;
    this.#options = options;
    this.#folder = folder;
    this.#index = new DiskIndex(viewDiskMemory(options.memory), KEEPER);
    this.#ownership = new Ownership(folder, this.#process, options.mark);
    this.#problems = new Problems(options.onProblem, options.now);
    this.#purges = this.#openPurges();
    this.#clock = clock;
    this.#sweeper = new Sweeper({
      ...{ folder, index: this.#index, calls: this.#calls, process: this.#process },
      onProblem: (error) => this.#problems.onWriteError(error),
    });
    this.#alarm = new Alarm(clock, () => {
      this.#work = this.#lookAgain();
    });
    this.ready = this.#readiness.promise;
  }

  /** What has to belong to whom the process becomes. */
  get files(): readonly string[] {
    const inside = [MARKER, UNDER_WAY].map((name) => join(this.#folder, name));
    return [...inside, this.#folder];
  }

  /** A worker died: what it wrote has failed, what it had open is closed. */
  forgetThread(thread: number): void {
    this.#index.forgetThread(thread);
    this.#sweeper.sweep();
  }

  /** The folder is anybody's from now on; stores that aren't closed yet find nothing more in it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#alarm.clear();
    await this.#work;
    const { role } = this.#index;
    this.#index.setRole(Role.Closed);
    if (role !== Role.Waiting) {
      await this.#sweeper.done();
      await this.#purges?.end();
      await this.#ownership.release();
    }
    this.#readiness.resolve();
  }

  /** Looks at all files, and says what isn't as it was thought. */
  async inspect(): Promise<void> {
    const index = this.#index;
    this.#inspectAt = this.#clock.now() + INSPECTION;
    index.beginRound();
    const there = await this.#shardsThere();
    let bytes = (await this.#inspectUnderWay()) + (await restOf(this.#folder));
    const shards = there.values();
    let isWhole = true;
    const inspectSome = async (): Promise<void> => {
      for (const shard of shards) {
        const more = this.#isClosed ? 0 : await this.#inspectShard(shard);
        bytes += more ?? 0;
        isWhole &&= more !== null;
      }
    };
    await Promise.all(Array.from({ length: SHARDS_AT_ONCE }, inspectSome));
    if (this.#isClosed) return;
    index.setFolders(bytes);
    // Of what couldn't be looked at nobody knows that it isn't there.
    if (isWhole) await index.endRound();
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

  async #open(): Promise<void> {
    const whose = await this.#ownership.look();
    const isOthers = typeof whose === "object";
    if (isOthers && !this.#waitsFor(whose.process)) throw inUse(this.#folder, whose.process);
    if (!isOthers && this.#mayBegin)
      await this.#take().catch((error: Error) => {
        throw notWritable(this.#folder, error);
      });
    this.#work = this.#index.role === Role.Waiting ? Promise.resolve() : this.#survey();
    void this.#work.then(() => this.#setAlarm());
  }

  get #mayBegin(): boolean {
    return this.#options.mayBegin?.() ?? true;
  }

  #waitsFor(process: string): boolean {
    return process === this.#process || this.#options.waitsFor?.(Number.parseInt(process, 10)) === true;
  }

  /** What is in it can be given out from now on: what was purged of it is known. */
  async #take(): Promise<void> {
    await this.#ownership.claim();
    await this.#purges?.begin();
    this.#index.setRole(Role.Starting);
  }

  async #survey(): Promise<void> {
    try {
      await this.inspect();
      if (this.#isClosed) return;
      while (this.#index.trim()) await this.#sweeper.done();
      await this.#sweeper.done();
      if (this.#index.role === Role.Starting) this.#index.setRole(Role.Writing);
      this.#readiness.resolve();
    } catch (error) {
      this.#problems.onWriteError(error as Error);
    }
  }

  async #lookAgain(): Promise<void> {
    await this.look();
    this.#setAlarm();
  }

  #setAlarm(): void {
    const wait = this.#index.role === Role.Waiting ? WAITING_LOOK : LOOK;
    if (!this.#isClosed) this.#alarm.set(this.#clock.now() + wait);
  }

  async #lookWhose(): Promise<void> {
    const whose = await this.#ownership.look();
    if (whose !== "mine" && this.#index.isOpen) this.#problems.onReadError(taken(this.#folder));
    if (typeof whose === "object") return await this.#wait();
    if (whose === "nobody") await this.#enter();
    const { role } = this.#index;
    if (role === Role.Starting || (role === Role.Writing && this.#clock.now() >= this.#inspectAt))
      await this.#survey();
  }

  /** Somebody may have removed all of it. */
  async #enter(): Promise<void> {
    if (!this.#mayBegin) return;
    await prepareFolder(this.#folder);
    if (this.#index.isOpen) await this.#wait();
    await this.#take();
  }

  /** What others do with it from now on, nobody here knows. */
  async #wait(): Promise<void> {
    if (!this.#index.isOpen) return;
    this.#index.setRole(Role.Waiting);
    await this.#purges?.leave();
  }

  #countPurges(bytes: number): void {
    this.#index.addFolders(bytes - this.#purgeBytes);
    this.#purgeBytes = bytes;
  }

  #openPurges(): PurgeFile | null {
    const { purges: memory, folder } = this.#options;
    if (memory === null) return null;
    const onProblem = (error: Error): void => this.#problems.onWriteError(error);
    const onSize = (bytes: number): void => this.#countPurges(inDiskBlocks(bytes));
    return new PurgeFile({ path: join(folder, PURGES), memory, thread: KEEPER, onProblem, onSize });
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

  /** @returns bytes of what isn't in the index; null: it couldn't be looked at */
  async #inspectShard(shard: number): Promise<number | null> {
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
      return null;
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
}

function inUse(folder: string, process: string): DiskFolderError {
  const [pid] = process.split(".");
  const message = `The cache folder ${folder} is in use by process ${pid}: end that one first, or name another folder`;
  return new DiskFolderError("IN_USE", message);
}

/** As processes do that don't see one another's, in two containers say: neither hears what the other purges. */
function taken(folder: string): Error {
  return Object.assign(new Error(`somebody has taken or removed ${folder}`), { code: "TAKEN" });
}

/** What the folder takes itself, with the files in it that are no entries. */
async function restOf(folder: string): Promise<number> {
  let bytes = await bytesOf(folder);
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (!entry.isDirectory()) bytes += await bytesOf(join(folder, entry.name));
  return bytes;
}
