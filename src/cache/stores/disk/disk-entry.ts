import { keptKey } from "../../kept-key.ts";
import type { CacheEntry, CacheKey, EntryStateCode, Piece } from "../../store.ts";
import type { BlockPool } from "./block-pool.ts";
import type { BodyFile } from "./body-file.ts";
import { BLOCK_BYTES } from "./file-format.ts";

/** A file as one of its readers has it: a block of it is in memory, the one that was asked for last. */
export class DiskEntry implements CacheEntry {
  readonly key: CacheKey;
  readonly meta: Buffer;
  readonly file: BodyFile;
  readonly #blocks: BlockPool;
  #block: Buffer | null = null;
  /** What of the body the block holds, from its beginning on. */
  #from = 0;
  #to = 0;
  #reads = 0;
  #isReleased = false;

  /** @param file held for it */
  constructor(key: CacheKey, file: BodyFile, blocks: BlockPool) {
    this.key = keptKey(key);
    this.file = file;
    this.meta = file.meta;
    this.#blocks = blocks;
  }

  get length(): number {
    this.file.refresh();
    return this.file.length;
  }

  get state(): EntryStateCode {
    this.file.refresh();
    return this.file.state;
  }

  read(offset: number, end: number): Piece | null | Promise<Piece | null> {
    const { file } = this;
    const stop = Math.min(end, this.length);
    if (offset >= stop) return null;
    if (file.body !== null) return { bytes: file.body, start: offset, end: stop };
    if (offset >= this.#from && offset < this.#to) return this.#piece(offset, stop);
    this.#block ??= this.#blocks.take();
    this.#from = offset;
    this.#to = offset + (file.tail?.copy(offset, file.length, this.#block) ?? 0);
    return this.#to > offset ? this.#piece(offset, stop) : this.#load(offset, stop);
  }

  whenMore(offset: number, listener: () => void): void {
    this.file.listen(this, { offset, call: listener });
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.file.unlisten(this);
    if (this.#reads === 0) this.#letGo();
  }

  async #load(offset: number, stop: number): Promise<Piece | null> {
    this.#reads++;
    try {
      const block = Math.floor(offset / BLOCK_BYTES);
      this.#to = this.#from = block * BLOCK_BYTES;
      this.#to = await this.file.load(block, this.#block!);
      return this.#piece(offset, stop);
    } finally {
      this.#reads--;
      if (this.#isReleased && this.#reads === 0) this.#letGo();
    }
  }

  #piece(offset: number, stop: number): Piece {
    const start = offset - this.#from;
    return { bytes: this.#block!, start, end: Math.min(stop, this.#to) - this.#from };
  }

  #letGo(): void {
    if (this.#block !== null) this.#blocks.give(this.#block);
    this.#block = null;
    this.file.release();
  }
}
