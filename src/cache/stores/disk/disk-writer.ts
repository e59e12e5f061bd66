import { constants } from "node:fs";
import { dirname } from "node:path";
import {
  type CacheEntry,
  type CacheKey,
  EntryState,
  type EntryWriter,
  type WriterOwner,
} from "../../store.ts";
import { BodyFile, type FileMeans } from "./body-file.ts";
import { DiskEntry } from "./disk-entry.ts";
import { Room } from "./disk-index.ts";
import { isMissing } from "./file-calls.ts";
import { BLOCK_BYTES, encodeEnd, encodeHead, parseHead } from "./file-format.ts";
import type { Place } from "./slots.ts";
import { Tail } from "./tail.ts";

/** Bytes that wait for the disk until the writer is asked to wait, and at which it may go on. */
const HIGH = 4 * BLOCK_BYTES;
const LOW = BLOCK_BYTES;
/** What disks give out; bytes of a file are counted in these. */
const DISK_BLOCK = 4096;
/** Milliseconds in which no room is made at all, and how often that may be until there is none. */
const ROOM_WAIT = 500;
const MOST_ROOM_WAITS = 10;
/** Files up to here take what their length says; longer ones may be in pieces, which the disk keeps a list of. */
const SURELY_WHOLE = 64 * 1024;

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;

/** What writers need of their store. */
export interface WriterMeans extends FileMeans {
  readonly mostEntryBytes: number;
  /** There may be files to remove. */
  sweep(): void;
  onWriteError(error: Error): void;
  onWriterEnd(writer: DiskWriter): void;
}

/** Where an entry is written, and where it stands when it is whole. */
interface WriterPaths {
  readonly underWay: string;
  readonly final: string;
}

/** Why an entry isn't kept, where nothing is wrong. */
class NotKeptError extends Error {
  override readonly name = "NotKeptError";
}

export interface NewEntry {
  readonly key: CacheKey;
  readonly place: Place;
  readonly paths: WriterPaths;
  readonly meta: Buffer;
  readonly length: number | null;
  readonly owner: WriterOwner;
  /** Another one of the same key, which must still be what the key leads to when this one is finished. */
  readonly insteadOf: Place | null;
}

/**
 * Writes a file under another name, and gives it its own when it is whole. Bytes are taken at once, and written as fast as the disk takes
 * them, in as few calls as there are: mostly one for a short entry.
 */
export class DiskWriter implements EntryWriter {
  readonly #means: WriterMeans;
  readonly #entry: NewEntry;
  readonly #file: BodyFile;
  readonly #tail: Tail;
  #descriptor = -1;
  /** Bytes of the file that are written, and that are counted. */
  #written = 0;
  #reserved = 0;
  #isFull = false;
  #isFinished = false;
  #isEndWritten = false;
  #isOver = false;
  #error: Error | null = null;
  #goOn: (() => void) | null = null;
  /** Resolves when nothing of it is under way any more. */
  readonly ended: Promise<void>;

  constructor(means: WriterMeans, entry: NewEntry) {
    this.#means = means;
    this.#entry = entry;
    this.#tail = new Tail(means.blocks);
    this.#file = new BodyFile(means, entry.place, entry.key.text, Buffer.from(entry.meta));
    this.#file.tail = this.#tail;
    this.ended = this.#run();
  }

  /** Whether nothing more will come. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get file(): BodyFile {
    return this.#file;
  }

  open(): CacheEntry | null {
    this.#file.hold();
    return new DiskEntry(this.#entry.key, this.#file, this.#means.blocks);
  }

  write(bytes: Buffer, start: number, end: number): boolean {
    if (this.#isOver) return true;
    if (this.#tail.length + end - start > this.#mostBytes) {
      this.#fail(new NotKeptError("it is longer than it may be"));
      return true;
    }
    this.#tail.append(bytes, start, end);
    this.#file.length = this.#tail.length;
    this.#file.callSoon();
    this.#wake();
    this.#isFull = this.#tail.waiting >= HIGH;
    return !this.#isFull;
  }

  finish(): Promise<void> {
    if (this.#isOver) return this.ended;
    const { length } = this.#entry;
    this.#isFinished = length === null || length === this.#tail.length;
    if (this.#isFinished) this.#isOver = true;
    else this.#fail(new NotKeptError("it is shorter than was announced"));
    this.#wake();
    return this.ended;
  }

  abort(): void {
    if (!this.#isOver) this.#end(new NotKeptError("it was given up"));
  }

  /** The store is closed: what isn't finished never will be. */
  stop(error: Error): void {
    if (!this.#isOver) this.#fail(error);
  }

  get #mostBytes(): number {
    return this.#entry.length ?? this.#means.mostEntryBytes;
  }

  /** The owner is told soon, but not from within a call of its own. */
  #fail(error: Error): void {
    this.#end(error);
    queueMicrotask(() => this.#entry.owner.onFailure(error));
  }

  #end(error: Error): void {
    this.#isOver = true;
    this.#error ??= error;
    this.#means.index.fail(this.#entry.place);
    this.#file.state = EntryState.Failed;
    this.#file.callSoon();
    this.#wake();
  }

  #wake(): void {
    this.#goOn?.();
    this.#goOn = null;
  }

  async #run(): Promise<void> {
    const means = this.#means;
    const { place } = this.#entry;
    try {
      await this.#create();
      await this.#writeAll();
      await this.#publish();
    } catch (error) {
      if (this.#error === null) this.#failByDisk(error as Error);
      await means.calls.remove(this.#entry.paths.underWay).catch(() => undefined);
      means.index.gone(place);
    }
    // Of what has failed, those who read it can have all that came.
    if (this.#file.state !== EntryState.Failed) this.#file.dropTail();
    this.#file.callSoon();
    this.#file.release();
    means.onWriterEnd(this);
    means.sweep();
  }

  #failByDisk(error: Error): void {
    if (!(error instanceof NotKeptError)) this.#means.onWriteError(error);
    this.#isFinished = false;
    this.#fail(error);
  }

  async #create(): Promise<void> {
    const head = encodeHead(this.#entry.place, this.#entry.key.text, this.#entry.meta);
    // All of what is known to come: who reads along would be cut off if there were no room for the rest.
    await this.#reserve(head.length + (this.#entry.length ?? 0));
    const flags = O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR;
    this.#descriptor = await this.#means.calls.open(this.#entry.paths.underWay, flags, 0o600);
    this.#file.descriptor = this.#descriptor;
    this.#file.head = parseHead(head);
    await this.#append([head]);
  }

  /** What came by now goes out in one piece; with the end, when that is known to be it. */
  async #append(head: Buffer[]): Promise<void> {
    const pending = this.#tail.pending();
    const bytes = lengthOf(pending);
    const parts = [...head, ...pending];
    const isLast = this.#isFinished && this.#tail.waiting === bytes;
    if (isLast) parts.push(encodeEnd(this.#entry.place, this.#tail.length, this.#tail.sums));
    const length = lengthOf(parts);
    await this.#reserve(this.#written + length);
    await this.#means.calls.writeAt(this.#descriptor, parts, this.#written);
    this.#written += length;
    this.#tail.flush(bytes);
    if (!isLast) this.#means.index.advance(this.#entry.place, this.#tail.flushed);
    this.#isEndWritten = isLast;
  }

  async #writeAll(): Promise<void> {
    while (!this.#isEndWritten) {
      if (this.#error !== null) throw this.#error;
      this.#drain();
      if (this.#tail.waiting > 0 || this.#isFinished) await this.#append([]);
      else await new Promise<void>((resolve) => (this.#goOn = resolve));
    }
  }

  #drain(): void {
    if (!this.#isFull || this.#isOver || this.#tail.waiting > LOW) return;
    this.#isFull = false;
    this.#entry.owner.onDrain();
  }

  async #reserve(bytes: number): Promise<void> {
    const { index } = this.#means;
    const more = inDiskBlocks(bytes) - this.#reserved;
    if (more <= 0) return;
    for (let waits = 0; ; ) {
      if (this.#error !== null) throw this.#error;
      const room = index.reserve(this.#entry.place, more);
      this.#means.sweep();
      if (room === Room.Given) break;
      if (room === Room.None || waits === MOST_ROOM_WAITS) throw new NotKeptError("there is no room for it");
      if (!(await index.untilFreed(ROOM_WAIT))) waits++;
    }
    this.#reserved += more;
  }

  async #publish(): Promise<void> {
    const { index, calls } = this.#means;
    const { place, paths } = this.#entry;
    let charge = inDiskBlocks(this.#written);
    if (this.#written > SURELY_WHOLE)
      charge = Math.max(charge, 512 * (await calls.stat(this.#descriptor)).blocks);
    if (this.#error !== null) throw this.#error;
    // Whose the folder is now may have looked through it already.
    if (!index.isOpen) throw new NotKeptError("the folder is somebody else's");
    const folderBytes = await this.#giveName();
    const isKept = index.publish(place, this.#written, charge, this.#entry.insteadOf);
    if (folderBytes > 0) index.addFolders(folderBytes);
    // Whose entry was taken away as a whole, as by an index that was made anew, has a file that nobody knows.
    if (!isKept && !index.is(place)) await calls.remove(paths.final);
    this.#file.sums = this.#tail.sums;
    this.#file.state = EntryState.Complete;
  }

  /** @returns what a folder takes that is made when the first file comes there */
  async #giveName(): Promise<number> {
    const { calls } = this.#means;
    const { underWay, final } = this.#entry.paths;
    try {
      await calls.rename(underWay, final);
      return 0;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    await this.#reserve(this.#reserved + DISK_BLOCK);
    const bytes = await calls.makeFolder(dirname(final));
    await calls.rename(underWay, final);
    return bytes;
  }
}

/** What a file of that length takes at the least. */
export function inDiskBlocks(bytes: number): number {
  return Math.ceil(bytes / DISK_BLOCK) * DISK_BLOCK;
}

function lengthOf(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0);
}
