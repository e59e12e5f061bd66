import { crc32 } from "node:zlib";
import type { BlockPool } from "./block-pool.ts";
import { BLOCK_BYTES } from "./file-format.ts";

/** Some MiB, and fewer than systems take in a call (IOV_MAX). */
const MOST_PARTS = 64;

/**
 * The end of a body that is being written: what the disk hasn't got yet, and the block before that, so that who reads along needs no
 * disk.
 */
export class Tail {
  /** Bytes that came. */
  length = 0;
  /** Bytes that are on the disk. */
  flushed = 0;
  /** The checksum of each block, of the last one as far as it came. */
  readonly sums: number[] = [];
  readonly #pool: BlockPool;
  /** Blocks one after the other, the first of which begins at `#from`. */
  readonly #blocks: Buffer[] = [];
  #from = 0;

  constructor(pool: BlockPool) {
    this.#pool = pool;
  }

  get waiting(): number {
    return this.length - this.flushed;
  }

  append(bytes: Buffer, start: number, end: number): void {
    for (let at = start; at < end; ) {
      const inBlock = this.length % BLOCK_BYTES;
      if (inBlock === 0) this.#blocks.push(this.#pool.take());
      const taken = Math.min(end - at, BLOCK_BYTES - inBlock);
      bytes.copy(this.#blocks.at(-1)!, inBlock, at, at + taken);
      const block = Math.floor(this.length / BLOCK_BYTES);
      this.sums[block] = crc32(bytes.subarray(at, at + taken), this.sums[block] ?? 0);
      this.length += taken;
      at += taken;
    }
  }

  /** What the disk hasn't got, as much as is written in one go; good until `flush`. */
  pending(): Buffer[] {
    const parts: Buffer[] = [];
    for (let at = this.flushed; at < this.length && parts.length < MOST_PARTS; ) {
      const inBlock = at % BLOCK_BYTES;
      const end = Math.min(BLOCK_BYTES, inBlock + this.length - at);
      parts.push(this.#blockAt(at).subarray(inBlock, end));
      at += end - inBlock;
    }
    return parts;
  }

  /** So many bytes more are on the disk. */
  flush(bytes: number): void {
    this.flushed += bytes;
    while (this.#blocks.length > 1 && this.#from + 2 * BLOCK_BYTES <= this.flushed) this.#drop();
  }

  /** Copies what it has from `offset` on. @returns how much that was; 0: it is on the disk alone */
  copy(offset: number, end: number, into: Buffer): number {
    if (offset < this.#from || this.#blocks.length === 0) return 0;
    const inBlock = offset % BLOCK_BYTES;
    const length = Math.min(end - offset, BLOCK_BYTES - inBlock);
    return this.#blockAt(offset).copy(into, 0, inBlock, inBlock + length);
  }

  clear(): void {
    while (this.#blocks.length > 0) this.#drop();
  }

  #blockAt(offset: number): Buffer {
    return this.#blocks[Math.floor((offset - this.#from) / BLOCK_BYTES)]!;
  }

  #drop(): void {
    this.#pool.give(this.#blocks.shift()!);
    this.#from += BLOCK_BYTES;
  }
}
