import { rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { CacheEntry, CacheKey, CacheStore, EntryWriter, StoreStats, WriterOwner } from "../../store.ts";
import { BlockPool } from "./block-pool.ts";
import { BodyFile } from "./body-file.ts";
import { DiskEntry } from "./disk-entry.ts";
import { DiskIndex } from "./disk-index.ts";
import { type DiskMemory, Role, Sum, viewDiskMemory } from "./disk-memory.ts";
import { DiskWriter, type NewEntry, type WriterMeans } from "./disk-writer.ts";
import { FileCalls, isMissing } from "./file-calls.ts";
import { BrokenFileError, type FileId } from "./file-format.ts";
import { hashText, nameOf, pathOf, shardNames, shardOf, UNDER_WAY } from "./file-names.ts";
import { copyBody, rewriteMeta } from "./new-meta.ts";
import { openFile } from "./open-file.ts";
import { type DiskProblem, Problems } from "./problems.ts";
import { bytesOf, scanShard } from "./scan.ts";
import { type Place, Stage } from "./slots.ts";
import { Sweeper } from "./sweeper.ts";
import { thisProcess } from "./this-process.ts";

/** Writers at the same time in a thread: each has some blocks in memory. */
const MOST_WRITERS = 256;

export interface DiskStoreOptions {
  /** Prepared by a `DiskKeeper`. */
  readonly folder: string;
  /** Of `allocateDiskMemory`, the same in all threads. */
  readonly memory: SharedArrayBuffer;
  /** A number that no other thread has that lives. */
  readonly thread: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told once of each kind of problem, and again when there was none for a minute; the store goes on as well as it can. */
  readonly onProblem: (problem: DiskProblem) => void;
  /** Hears of the text of a key that should be removed while the folder is another process's, and must be when it isn't. */
  readonly onMissed?: (text: string) => void;
  /** Whether the meta of a file can be read as metas are now: another version may have written it. Default: all of them */
  readonly isMeta?: (bytes: Buffer) => boolean;
  /** How files are reached. */
  readonly calls?: FileCalls;
}

/**
 * One thread's part of a cache in files. Threads share the index, and through the files everything else; who reads an entry that another
 * thread writes is told by the index how far it is. Nothing is written as long as the keeper doesn't know how much there is.
 */
export class DiskStore implements CacheStore {
  readonly streams = true;
  readonly stats: StoreStats;
  readonly #folder: string;
  readonly #memory: DiskMemory;
  readonly #index: DiskIndex;
  readonly #calls: FileCalls;
  readonly #blocks: BlockPool = new BlockPool();
  readonly #problems: Problems;
  readonly #sweeper: Sweeper;
  readonly #process: string = thisProcess();
  readonly #now: () => number;
  readonly #means: WriterMeans;
  readonly #files: Map<number, BodyFile> = new Map();
  readonly #writers: Set<DiskWriter> = new Set();
  readonly #closing: Set<Promise<void>> = new Set();
  readonly #scans: Map<number, Promise<void>> = new Map();
  readonly #hash: Int32Array = new Int32Array(4);
  readonly #idNoise: number;
  readonly #onMissed: (text: string) => void;
  readonly #isMeta: (bytes: Buffer) => boolean;
  #lastId = 0;
  #isClosed = false;

  constructor({ folder, memory, thread, now, onProblem, onMissed, isMeta, calls }: DiskStoreOptions) {
    this.#calls = calls ?? new FileCalls();
    this.#onMissed = onMissed ?? ((): void => undefined);
    this.#isMeta = isMeta ?? ((): boolean => true);
    this.#folder = folder;
    this.#memory = viewDiskMemory(memory);
    this.#index = new DiskIndex(this.#memory, thread);
    this.#now = now;
    this.#idNoise = thread & 0xff;
    this.#problems = new Problems(onProblem, now);
    this.#sweeper = new Sweeper({
      ...{ folder, index: this.#index, calls: this.#calls, process: this.#process },
      onProblem: (error) => this.#problems.onWriteError(error),
    });
    this.#means = this.#createMeans();
    this.stats = new DiskStats(this.#memory);
    this.#index.forgetThread(thread);
    this.#sweeper.sweep();
  }

  find(key: CacheKey): CacheEntry | null | Promise<CacheEntry | null> {
    if (!this.#index.isOpen) {
      this.#index.count(Sum.Misses);
      return null;
    }
    hashText(key.text, this.#hash);
    const shard = shardOf(this.#hash);
    if (this.#index.isScanned(shard)) return this.#findNow(key);
    return this.#scan(shard).then(() => this.#findNow(key));
  }

  begin(key: CacheKey, meta: Buffer, length: number | null, owner: WriterOwner): EntryWriter | null {
    const isTooLong = length !== null && length > this.#means.mostEntryBytes;
    const isBusy = this.#isClosed || this.#index.role !== Role.Writing || this.#problems.isResting;
    if (isTooLong || isBusy || this.#writers.size >= MOST_WRITERS) return this.#refuse();
    return this.#write({ key, meta, length, owner, insteadOf: null });
  }

  async update(entry: CacheEntry, meta: Buffer): Promise<void> {
    if (!(entry instanceof DiskEntry)) return;
    const { file } = entry;
    const { place } = file;
    file.hold();
    try {
      if (this.#index.stageOf(place) === Stage.Complete) await this.#putMeta(entry, meta);
    } catch (error) {
      // It was removed meanwhile, or the disk has its troubles: what stands there is valid, only older.
      if (!isMissing(error)) this.#problems.onWriteError(error as Error);
    } finally {
      file.release();
    }
  }

  isCurrent(entry: CacheEntry): boolean {
    return !(entry instanceof DiskEntry) || this.#index.isCurrent(entry.file.place);
  }

  async remove(key: CacheKey): Promise<boolean> {
    if (this.#index.role === Role.Waiting) {
      this.#onMissed(key.text);
      return false;
    }
    const hash = new Int32Array(4);
    hashText(key.text, hash);
    const shard = shardOf(hash);
    if (!this.#index.isScanned(shard)) await this.#scan(shard);
    const wasThere = this.#index.remove(hash);
    await this.#sweeper.removeLast();
    this.#sweeper.sweep();
    return wasThere;
  }

  async clear(): Promise<void> {
    if (!this.#index.isOpen) return;
    for (let shard = 0; shard < shardNames.length; shard++)
      if (!this.#index.isScanned(shard)) await this.#scan(shard);
    await this.#index.removeAll();
    await this.settled();
    await this.#removeFolders();
  }

  /** Resolves when all that was finished, given up, removed or released by now is so on the disk too. */
  async settled(): Promise<void> {
    const ending = [...this.#writers].filter(({ isOver }) => isOver);
    await Promise.all(ending.map(({ ended }) => ended));
    await this.#sweeper.done();
    await Promise.all(this.#closing);
  }

  /** Writers are stopped, files removed that are to be; who still reads may read to the end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const writer of this.#writers) writer.stop(new Error("the store is closed"));
    await Promise.all(this.#scans.values());
    await this.settled();
  }

  /** Whoever comes with a file makes them again. */
  async #removeFolders(): Promise<void> {
    for (const name of shardNames) {
      const path = join(this.#folder, name);
      const bytes = await bytesOf(path);
      if (bytes === 0) continue;
      await rmdir(path).then(
        () => this.#index.addFolders(-bytes),
        () => undefined,
      );
    }
  }

  #createMeans(): WriterMeans {
    return {
      index: this.#index,
      calls: this.#calls,
      blocks: this.#blocks,
      mostEntryBytes: this.#memory.sums[Sum.MostEntry]!,
      sweep: () => this.#sweeper.sweep(),
      onIdle: (file) => this.#closeSoon(file),
      onBroken: (file, error) => this.#dropBroken(file.place, error),
      onWriteError: (error) => this.#problems.onWriteError(error),
      onWriterEnd: (writer) => this.#writers.delete(writer),
    };
  }

  #write(what: Omit<NewEntry, "place" | "paths">): DiskWriter | null {
    const hash = this.#hash;
    hashText(what.key.text, hash);
    const id = this.#nextId();
    const slot = this.#index.begin(hash, id, what.insteadOf === null);
    this.#sweeper.sweep();
    if (slot === 0) return this.#refuse();
    const name = nameOf(hash, id);
    const paths = { underWay: this.#underWay(name), final: pathOf(this.#folder, name) };
    const writer = new DiskWriter(this.#means, { ...what, place: { slot, ...id }, paths });
    this.#writers.add(writer);
    this.#files.set(slot, writer.file);
    return writer;
  }

  #refuse(): null {
    this.#index.count(Sum.Refused);
    return null;
  }

  #findNow(key: CacheKey): CacheEntry | null | Promise<CacheEntry | null> {
    hashText(key.text, this.#hash);
    const slot = this.#index.find(this.#hash);
    if (slot === 0) return null;
    const place = this.#index.placeOf(slot);
    const known = this.#files.get(slot);
    if (known === undefined || !isSame(known.place, place)) return this.#open(place, key);
    known.hold();
    const isReady = known.opening === null && known.signal === this.#index.signalOf(place);
    return isReady || known.tail !== null ? this.#lend(known, key) : this.#lendLater(known, key);
  }

  #open(place: Place, key: CacheKey): Promise<CacheEntry | null> {
    const file = new BodyFile(this.#means, place, key.text, NO_BYTES);
    this.#files.set(place.slot, file);
    file.opening = this.#read(file);
    return this.#lendLater(file, key);
  }

  /** @param file held for the entry */
  async #lendLater(file: BodyFile, key: CacheKey): Promise<CacheEntry | null> {
    try {
      if (file.opening === null || (await file.opening)) {
        await file.renew();
        return this.#lend(file, key);
      }
    } catch (error) {
      this.#dropBroken(file.place, error as Error);
    }
    this.#index.countMiss();
    file.release();
    return null;
  }

  #lend(file: BodyFile, key: CacheKey): CacheEntry | null {
    if (file.keyText === key.text) return new DiskEntry(key, file, this.#blocks);
    this.#index.countMiss();
    file.release();
    return null;
  }

  /** @returns whether it could be opened; what is wrong with it has been dealt with */
  async #read(file: BodyFile): Promise<boolean> {
    const { place, keyText } = file;
    const name = nameOf(this.#index.hashOf(place), place);
    try {
      const path = await this.#whereIs(place, name);
      if (path === null) return false;
      const length = this.#index.lengthOf(place);
      file.open(await this.#openWherever(path, name, { id: place, keyText, length }));
      if (!this.#isMeta(file.meta)) throw new BrokenFileError("another version has written it");
      return true;
    } catch (error) {
      this.#dropBroken(place, error as Error);
      return false;
    } finally {
      file.opening = null;
    }
  }

  /** Waits until the head is there of one that another thread has only begun; null: it won't come. */
  async #whereIs(place: Place, name: string): Promise<string | null> {
    for (;;) {
      const signal = this.#index.signalOf(place);
      const length = this.#index.lengthOf(place);
      const stage = this.#index.stageOf(place);
      if (stage === Stage.Complete) return pathOf(this.#folder, name);
      if (stage !== Stage.Writing) return null;
      if (length > Number.NEGATIVE_INFINITY) return this.#underWay(name);
      await this.#index.untilChanged(place, signal);
    }
  }

  /** A file that was under way a moment ago may have its own name by now. */
  async #openWherever(
    path: string,
    name: string,
    wanted: { id: FileId; keyText: string; length: number },
  ): ReturnType<typeof openFile> {
    try {
      return await openFile(this.#calls, { ...wanted, path });
    } catch (error) {
      if (wanted.length >= 0 || !isMissing(error)) throw error;
      return openFile(this.#calls, { ...wanted, path: pathOf(this.#folder, name) });
    }
  }

  async #putMeta(entry: DiskEntry, meta: Buffer): Promise<void> {
    const { file } = entry;
    const { place } = file;
    if (meta.length > file.head!.metaCapacity) return this.#copyWith(entry, meta);
    const name = nameOf(this.#index.hashOf(place), place);
    await rewriteMeta(this.#calls, pathOf(this.#folder, name), file.head!, meta);
    this.#index.signal(place);
  }

  /** Meta that its file has no place for takes another file. */
  async #copyWith({ key, file }: DiskEntry, meta: Buffer): Promise<void> {
    let drained = (): void => undefined;
    const owner: WriterOwner = { onDrain: () => drained(), onFailure: () => drained() };
    const from = file.place;
    const writer = this.#write({ key, meta, length: file.length, owner, insteadOf: from });
    if (writer === null) return;
    file.hold();
    const body = new DiskEntry(key, file, this.#blocks);
    try {
      await copyBody(body, writer, () => new Promise<void>((resolve) => (drained = resolve)));
    } finally {
      writer.abort();
      body.release();
    }
    await writer.ended;
  }

  #dropBroken(place: Place, error: Error): void {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "ENOENT") this.#problems.onReadError(error);
    // Too many open files, say, is no fault of this one.
    if (error instanceof BrokenFileError || code === "ENOENT" || code === "EIO") this.#drop(place);
  }

  #drop(place: Place): void {
    this.#index.drop(place);
    this.#sweeper.sweep();
  }

  #closeSoon(file: BodyFile): void {
    const closing = this.#close(file).finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** Its bytes are free only when it is closed; and it may have been opened anew meanwhile. */
  async #close(file: BodyFile): Promise<void> {
    const { place, descriptor } = file;
    if (this.#files.get(place.slot) === file) this.#files.delete(place.slot);
    if (descriptor !== -1) await this.#calls.close(descriptor);
    const other = this.#files.get(place.slot);
    if (other === undefined || !isSame(other.place, place)) this.#index.unpin(place);
    this.#sweeper.sweep();
  }

  #scan(shard: number): Promise<void> {
    let scan = this.#scans.get(shard);
    if (scan === undefined) {
      scan = this.#scanOnce(shard);
      this.#scans.set(shard, scan);
    }
    return scan;
  }

  async #scanOnce(shard: number): Promise<void> {
    try {
      await scanShard(this.#folder, shard, this.#index, this.#calls);
    } catch (error) {
      this.#problems.onReadError(error as Error);
    }
    this.#scans.delete(shard);
    this.#sweeper.sweep();
  }

  #underWay(name: string): string {
    return join(this.#folder, UNDER_WAY, `${name}.${this.#process}`);
  }

  /** Greater than all before; two threads' differ in their last eight bits, or, where they don't, in whose they are. */
  #nextId(): FileId {
    this.#lastId = Math.max(this.#lastId + 1, Math.floor(this.#now()) * 2 ** 12);
    const seconds = Math.floor(this.#lastId / (1000 * 2 ** 12));
    const rest = this.#lastId - seconds * 1000 * 2 ** 12;
    return { high: seconds | 0, low: (rest << 8) | this.#idNoise | 0 };
  }
}

const NO_BYTES = Buffer.alloc(0);

function isSame(a: FileId, b: FileId): boolean {
  return a.high === b.high && a.low === b.low;
}

/** What the threads have counted together. */
class DiskStats implements StoreStats {
  readonly #sums: Float64Array;

  constructor({ sums }: DiskMemory) {
    this.#sums = sums;
  }

  get entries(): number {
    return this.#sums[Sum.Entries]!;
  }

  get bytes(): number {
    return this.#sums[Sum.Used]!;
  }

  get mostBytes(): number {
    return this.#sums[Sum.Limit]!;
  }

  get hits(): number {
    return this.#sums[Sum.Hits]!;
  }

  get misses(): number {
    return this.#sums[Sum.Misses]!;
  }

  get evictions(): number {
    return this.#sums[Sum.Evictions]!;
  }

  get refused(): number {
    return this.#sums[Sum.Refused]!;
  }

  get failures(): number {
    return this.#sums[Sum.Failures]!;
  }
}
