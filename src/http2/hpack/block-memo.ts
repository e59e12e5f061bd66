import type { BlockKind, FieldBlock } from "./field-block.ts";

/** Blocks up to this size are remembered, as they came and as they were decoded. */
const LONGEST_ENCODED = 512;
const LONGEST_DECODED = 2048;
/** After so many blocks in a row that weren't the same as the one before, only one in so many is remembered. */
const PATIENCE = 8;

const NO_BYTES = Buffer.alloc(0);

/** What a block holds when it is decoded. */
export interface BlockCopy {
  readonly bytes: Buffer;
  readonly offsets: Int32Array;
  readonly guarded: Uint8Array | null;
  readonly ranges: Int32Array;
  readonly count: number;
  readonly fieldsStart: number;
  readonly fieldsEnd: number;
  readonly present: number;
  readonly pseudo: number;
  readonly contentLength: number;
  readonly listSize: number;
}

/**
 * The header block that was decoded last, with what came of it. Many a client asks for the same again, as gRPC does for each
 * call of a method; and as long as nothing was added to the table, the same block means the same.
 */
export class BlockMemo {
  #encoded: Buffer = NO_BYTES;
  #length = -1;
  #kind: BlockKind = 0;
  #version = 0;
  #copy: BlockCopy | null = null;
  #misses = 0;

  /** Makes `block` what came of `bytes[start..end)`, with a table of this version; false when that isn't known. */
  recall(
    bytes: Buffer,
    start: number,
    end: number,
    kind: BlockKind,
    version: number,
    block: FieldBlock,
  ): boolean {
    const isKnown =
      end - start === this.#length &&
      version === this.#version &&
      kind === this.#kind &&
      this.#isSame(bytes, start);
    if (!isKnown) {
      this.#misses++;
      return false;
    }
    this.#misses = 0;
    block.load(this.#copy!);
    return true;
  }

  #isSame(bytes: Buffer, start: number): boolean {
    const encoded = this.#encoded;
    for (let i = 0, length = this.#length; i < length; i++) if (bytes[start + i] !== encoded[i]) return false;
    return true;
  }

  /** Remembers that `bytes[start..end)` came to `block`, with a table of this version before and after. */
  keep(bytes: Buffer, start: number, end: number, kind: BlockKind, version: number, block: FieldBlock): void {
    const length = end - start;
    if (length > LONGEST_ENCODED || block.fieldsEnd > LONGEST_DECODED) return;
    if (this.#misses > PATIENCE && this.#misses % PATIENCE !== 0) return;
    if (length > this.#encoded.length) this.#encoded = Buffer.allocUnsafeSlow(length);
    bytes.copy(this.#encoded, 0, start, end);
    this.#length = length;
    this.#kind = kind;
    this.#version = version;
    this.#copy = block.save();
  }
}
