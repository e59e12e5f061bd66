import { FIELD_STRIDE } from "../../http/field-table.ts";
import type { BlockKind, FieldBlock } from "./field-block.ts";

/** Blocks up to this size are remembered, as they came and as they were decoded. */
const LONGEST_ENCODED = 512;
const LONGEST_DECODED = 2048;
/** After so many blocks in a row that weren't the same as the one before, only one in so many is remembered. */
const PATIENCE = 8;

const NO_BYTES = Buffer.alloc(0);

/** What a block held. Its memory is used again: copies for the garbage collector to find would cost more than they save. */
class BlockCopy {
  #bytes: Buffer = NO_BYTES;
  #offsets = new Int32Array(0);
  #guarded: Buffer = NO_BYTES;
  #hasGuarded = false;
  readonly #ranges = new Int32Array(14);
  #count = 0;
  #fieldsStart = 0;
  #fieldsEnd = 0;
  #present = 0;
  #pseudo = 0;
  #contentLength = -1;
  #listSize = 0;

  take(block: FieldBlock): void {
    const { count, fieldsEnd, bytes, offsets } = block;
    const numbers = count * FIELD_STRIDE;
    if (this.#bytes.length < fieldsEnd) this.#bytes = Buffer.allocUnsafeSlow(fieldsEnd);
    bytes.copy(this.#bytes, 0, 0, fieldsEnd);
    if (this.#offsets.length < numbers) this.#offsets = new Int32Array(numbers);
    for (let i = 0; i < numbers; i++) this.#offsets[i] = offsets[i]!;
    copyRanges(block.ranges, this.#ranges);
    this.#hasGuarded = block.hasGuarded;
    if (block.hasGuarded) this.#guarded = Buffer.from(block.guarded.subarray(0, count));
    this.#count = count;
    this.#fieldsStart = block.fieldsStart;
    this.#fieldsEnd = fieldsEnd;
    this.#present = block.present;
    this.#pseudo = block.pseudo;
    this.#contentLength = block.contentLength;
    this.#listSize = block.listSize;
  }

  giveTo(block: FieldBlock): void {
    block.clearFor(this.#fieldsEnd);
    this.#bytes.copy(block.bytes, 0, 0, this.#fieldsEnd);
    const { offsets } = block;
    for (let i = 0, numbers = this.#count * FIELD_STRIDE; i < numbers; i++) offsets[i] = this.#offsets[i]!;
    copyRanges(this.#ranges, block.ranges);
    block.hasGuarded = this.#hasGuarded;
    if (this.#hasGuarded) block.guarded.set(this.#guarded);
    block.count = this.#count;
    block.fieldsStart = this.#fieldsStart;
    block.fieldsEnd = this.#fieldsEnd;
    block.present = this.#present;
    block.pseudo = this.#pseudo;
    block.contentLength = this.#contentLength;
    block.listSize = this.#listSize;
  }
}

function copyRanges(from: Int32Array, to: Int32Array): void {
  for (let i = 0; i < from.length; i++) to[i] = from[i]!;
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
    this.#copy!.giveTo(block);
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
    this.#copy ??= new BlockCopy();
    this.#copy.take(block);
  }
}
