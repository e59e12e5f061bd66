import { crc32 } from "node:zlib";
import { EntryState, type EntryStateCode } from "../../store.ts";
import type { BlockPool } from "./block-pool.ts";
import type { DiskIndex } from "./disk-index.ts";
import type { FileCalls } from "./file-calls.ts";
import { BLOCK_BYTES, BrokenFileError, endBytes, type FileHead, newestMeta } from "./file-format.ts";
import { type Place, Stage } from "./slots.ts";
import type { Tail } from "./tail.ts";

/** What files need of the store they are of. */
export interface FileMeans {
  readonly index: DiskIndex;
  readonly calls: FileCalls;
  readonly blocks: BlockPool;
  /** Nobody has it open any more. */
  onIdle(file: BodyFile): void;
  /** It can't be read, or isn't what was written. */
  onBroken(file: BodyFile, error: Error): void;
}

/** Somebody who waits for more of a body. */
export interface Listener {
  readonly offset: number;
  readonly call: () => void;
}

/** What of a file was read when it was opened. */
export interface OpenedFile {
  readonly descriptor: number;
  readonly head: FileHead;
  /** The whole body, where it is short. */
  readonly body: Buffer | null;
  /** A checksum for each block; null while another thread writes it, whom we believe. */
  readonly sums: readonly number[] | null;
  readonly length: number;
}

/** A file that this thread has open, for all who read it here. */
export class BodyFile {
  readonly place: Place;
  readonly keyText: string;
  descriptor = -1;
  meta: Buffer;
  /** The entry's signal when its meta was read. */
  signal: number;
  length = 0;
  state: EntryStateCode = EntryState.Writing;
  /** Of one that this thread writes. */
  tail: Tail | null = null;
  head: FileHead | null = null;
  /** While it is opened: resolves with whether that went well. */
  opening: Promise<boolean> | null = null;
  sums: readonly number[] | null = null;
  readonly #means: FileMeans;
  readonly #listeners: Map<object, Listener> = new Map();
  #body: Buffer | null = null;
  #users = 1;
  #isWatching = false;
  #isCallDue = false;

  /** Held by whoever made it. */
  constructor(means: FileMeans, place: Place, keyText: string, meta: Buffer) {
    this.#means = means;
    this.place = place;
    this.keyText = keyText;
    this.meta = meta;
    this.signal = means.index.signalOf(place);
  }

  open({ descriptor, head, body, sums, length }: OpenedFile): void {
    this.descriptor = descriptor;
    this.head = head;
    this.meta = head.meta;
    this.sums = sums;
    this.#body = body;
    this.length = length;
    if (sums !== null) this.state = EntryState.Complete;
  }

  hold(): void {
    this.#users++;
  }

  release(): void {
    if (--this.#users > 0) return;
    this.dropTail();
    this.#means.onIdle(this);
  }

  dropTail(): void {
    this.tail?.clear();
    this.tail = null;
  }

  /** Looks how far the thread is that writes it. */
  refresh(): void {
    if (this.state !== EntryState.Writing || this.tail !== null) return;
    const { index } = this.#means;
    const length = index.lengthOf(this.place);
    const stage = index.stageOf(this.place);
    if (stage === Stage.Failed || stage === Stage.Free) this.state = EntryState.Failed;
    else if (length < 0) this.length = Math.max(this.length, -1 - length);
    else {
      const { bodyAt } = this.head!;
      this.length = length - bodyAt - endBytes(length, bodyAt);
      this.state = EntryState.Complete;
    }
  }

  /** Bytes of it that are in memory, or null. */
  get body(): Buffer | null {
    return this.#body;
  }

  /**
   * Reads the rest of a block from the disk, and checks it where that can be done.
   * @param into for a whole block, which is filled from its beginning on
   * @returns up to where the body was read
   */
  async load(block: number, into: Buffer): Promise<number> {
    const from = block * BLOCK_BYTES;
    const length = Math.min(BLOCK_BYTES, this.length - from);
    try {
      const { calls } = this.#means;
      const read = await calls.readAt(this.descriptor, into, 0, length, this.head!.bodyAt + from);
      if (read !== length) throw new BrokenFileError("its body is cut off");
      const sums = this.sums ?? this.tail?.sums ?? null;
      if (sums !== null && crc32(into.subarray(0, length)) !== sums[block])
        throw new BrokenFileError(`its body is damaged in block ${block}`);
      return from + length;
    } catch (error) {
      // What was given up meanwhile never came to the disk, and is no fault of the disk.
      if (this.state === EntryState.Failed) throw new Error("the entry failed", { cause: error });
      this.#means.onBroken(this, error as Error);
      throw error;
    }
  }

  /** Reads its meta again if somebody changed it. */
  async renew(): Promise<void> {
    const { index, calls } = this.#means;
    const signal = index.signalOf(this.place);
    if (signal === this.signal || this.state !== EntryState.Complete) return;
    const { metaAt, bodyAt, metaCapacity } = this.head!;
    const places = Buffer.allocUnsafe(bodyAt - metaAt);
    await calls.readAt(this.descriptor, places, 0, places.length, metaAt);
    this.meta = newestMeta(places, metaCapacity).meta;
    this.signal = signal;
  }

  listen(owner: object, listener: Listener): void {
    this.#listeners.set(owner, listener);
    if (this.#isMore(listener)) this.callSoon();
    else if (this.tail === null) void this.#watch();
  }

  unlisten(owner: object): void {
    this.#listeners.delete(owner);
  }

  /** Calls those who wait for what there is now; once, however often that is said meanwhile. */
  callSoon(): void {
    if (this.#isCallDue || this.#listeners.size === 0) return;
    this.#isCallDue = true;
    queueMicrotask(() => {
      this.#isCallDue = false;
      for (const [owner, listener] of this.#listeners) {
        if (!this.#isMore(listener) || !this.#listeners.delete(owner)) continue;
        listener.call();
      }
    });
  }

  #isMore({ offset }: Listener): boolean {
    this.refresh();
    return this.length > offset || this.state !== EntryState.Writing;
  }

  /** Waits for the thread that writes it, as long as somebody here does. */
  async #watch(): Promise<void> {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const { index } = this.#means;
    while (this.#listeners.size > 0 && this.state === EntryState.Writing) {
      const signal = index.signalOf(this.place);
      this.refresh();
      this.callSoon();
      if (this.state === EntryState.Writing) await index.untilChanged(this.place, signal);
    }
    this.#isWatching = false;
    this.refresh();
    this.callSoon();
  }
}
