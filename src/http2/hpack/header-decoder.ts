import { DEFAULT_TABLE_SIZE } from "../settings.ts";
import { BlockMemo } from "./block-memo.ts";
import { DynamicTable } from "./dynamic-table.ts";
import {
  ENTRY_STRIDE,
  type FieldEntries,
  LINE_PUNCTUATION,
  LINE_START,
  MARK,
  NAME_LENGTH,
} from "./entries.ts";
import type { BlockKind, FieldBlock } from "./field-block.ts";
import { BAD_VALUE, BYTE_FLAGS, GUARDED, kindOfField, kindOfName } from "./field-kinds.ts";
import { decodedFlags, decodedRoom, decodedSize, decodeHuffman } from "./huffman-decoder.ts";
import { copyBytes } from "./memory.ts";
import { LAST_STATIC, STATIC_TABLE } from "./static-table.ts";

/** How the decoding of a block ended. */
export const DecodeOutcome = {
  Complete: 0,
  /** Malformed, or over a limit: `FieldBlock.problem` says why. An error of this stream only, the table is in step. */
  Refused: 1,
  /** COMPRESSION_ERROR: an error of the connection, whose table can't be trusted any more (RFC 9113 §4.3). */
  Broken: 2,
} as const;

export type DecodeOutcome = (typeof DecodeOutcome)[keyof typeof DecodeOutcome];

const INDEXED = 0x80;
const INCREMENTAL = 0x40;
const SIZE_UPDATE = 0x20;
const NEVER_INDEXED = 0x10;
const NEVER_INDEXED_BITS = 0xf0;
const HUFFMAN = 0x80;
/** Octets after the prefix of an integer: they hold all that can occur, and a number never overflows (RFC 7541 §5.1). */
const INTEGER_OCTETS = 4;
const COLON = 0x3a;
const SPACE = 0x20;
const CR = 0x0d;
const LF = 0x0a;
/** What `#string` returns for what is too long to be decoded. */
const TOO_LONG = -2;

/**
 * Decodes the field blocks that one connection receives (RFC 7541). It takes whole blocks, since those which come in
 * CONTINUATION frames have to be gathered in any case, to be counted.
 *
 * Whether a field is well-formed is found out when it is first sent, and remembered in the table. A block over the limits
 * is decoded to its end, so that the table stays in step, but nothing of it is kept: each octet of it costs a few
 * nanoseconds and no memory.
 */
export class HeaderDecoder {
  readonly #table = new DynamicTable(DEFAULT_TABLE_SIZE);
  /** The size that we allow. */
  #limit: number = DEFAULT_TABLE_SIZE;
  /** After a reduction: the size that the next block must begin with, at most; -1 when nothing is due (RFC 7541 §4.2). */
  #due = -1;
  readonly #memo = new BlockMemo();
  /** Changes with the table, and with what is allowed. */
  #version = 0;
  #bytes: Buffer = STATIC_TABLE.bytes;
  #at = 0;
  #end = 0;
  /** Byte flags of the last string. */
  #flags = 0;

  /** Bytes that the dynamic table takes by the counting rule of RFC 7541 §4.1. */
  get tableBytes(): number {
    return this.#table.size;
  }

  /** The peer has acknowledged our SETTINGS_HEADER_TABLE_SIZE; until then it may use the one before, 4096 at first. */
  limitTable(size: number): void {
    this.#limit = size;
    this.#version++;
    if (size < this.#table.maxSize) this.#due = this.#due < 0 ? size : Math.min(this.#due, size);
  }

  /** Decodes the block `bytes[start..end)`. After `Broken` this decoder is of no use any more. */
  decode(bytes: Buffer, start: number, end: number, block: FieldBlock, kind: BlockKind): DecodeOutcome {
    const version = this.#version;
    if (this.#due < 0 && this.#memo.recall(bytes, start, end, kind, version, block))
      return DecodeOutcome.Complete;
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    block.begin(kind);
    const isDecoded = this.#sizeUpdates() && this.#fields(block);
    block.finish();
    if (!isDecoded) return DecodeOutcome.Broken;
    if (block.problem !== null) return DecodeOutcome.Refused;
    if (version === this.#version) this.#memo.keep(bytes, start, end, kind, version, block);
    return DecodeOutcome.Complete;
  }

  /** They stand at the beginning of a block only (RFC 7541 §4.2). */
  #sizeUpdates(): boolean {
    while (this.#at < this.#end && (this.#bytes[this.#at]! & 0xe0) === SIZE_UPDATE) {
      const size = this.#integer(0x1f);
      if (size < 0 || size > this.#limit) return false;
      this.#table.resize(size);
      this.#version++;
      if (size <= this.#due) this.#due = -1;
    }
    return this.#due < 0;
  }

  #fields(block: FieldBlock): boolean {
    const { bytes, end } = { bytes: this.#bytes, end: this.#end };
    while (this.#at < end) {
      const first = bytes[this.#at]!;
      if (first >= INDEXED) {
        if (!this.#indexed(block)) return false;
      } else if (first >= INCREMENTAL) {
        if (!this.#literal(block, 0x3f, true)) return false;
      } else if (first >= SIZE_UPDATE) return false;
      else if (!this.#literal(block, 0x0f, false)) return false;
    }
    return true;
  }

  #indexed(block: FieldBlock): boolean {
    const index = this.#integer(0x7f);
    if (index > LAST_STATIC) {
      const slot = this.#table.slotAt(index - LAST_STATIC);
      if (slot < 0) return false;
      block.addEntry(this.#table, slot);
      return true;
    }
    if (index <= 0) return false;
    block.addEntry(STATIC_TABLE, index * ENTRY_STRIDE);
    return true;
  }

  /** A name, given or by index, and a value (RFC 7541 §6.2). They are written as a line where the block wants its next one. */
  #literal(block: FieldBlock, prefix: number, isIncremental: boolean): boolean {
    const isGuarded = (this.#bytes[this.#at]! & NEVER_INDEXED_BITS) === NEVER_INDEXED;
    const index = this.#integer(prefix);
    if (index < 0) return false;
    const start = block.reserve(0);
    let nameEnd: number;
    let nameKind = 0;
    if (index === 0) {
      nameEnd = this.#string(block, start);
      if (nameEnd >= 0) nameKind = kindOfName(block.bytes, start, nameEnd, this.#flags);
    } else {
      const source: FieldEntries = index > LAST_STATIC ? this.#table : STATIC_TABLE;
      const slot = index > LAST_STATIC ? this.#table.slotAt(index - LAST_STATIC) : index * ENTRY_STRIDE;
      if (slot < 0) return false;
      nameKind = source.entries[slot + MARK]! & ~BAD_VALUE;
      nameEnd = copyName(source, slot, block, start);
    }
    if (nameEnd === -1) return false;
    const valueStart = nameEnd === TOO_LONG ? start : nameEnd + 2;
    const valueEnd = this.#string(block, valueStart);
    if (valueEnd === -1) return false;
    if (nameEnd === TOO_LONG || valueEnd === TOO_LONG) return this.#skip(block, isIncremental);
    const { bytes } = block;
    bytes[nameEnd] = COLON;
    bytes[nameEnd + 1] = SPACE;
    bytes[valueEnd] = CR;
    bytes[valueEnd + 1] = LF;
    const kind = kindOfField(nameKind, bytes, valueStart, valueEnd, this.#flags);
    if (isIncremental) this.#remember(block, start, nameEnd - start, valueEnd - valueStart, kind);
    block.addLine(nameEnd - start, valueEnd - valueStart, isGuarded ? kind | GUARDED : kind);
    return true;
  }

  #remember(block: FieldBlock, start: number, nameLength: number, valueLength: number, kind: number): void {
    this.#version++;
    const place = this.#table.place(nameLength, valueLength, kind);
    if (place < 0) return;
    const end = start + nameLength + valueLength + LINE_PUNCTUATION;
    copyBytes(block, start, end, this.#table, place);
  }

  /** A field that wasn't decoded because it is longer than any limit. It is larger than the table too, which it empties. */
  #skip(block: FieldBlock, isIncremental: boolean): boolean {
    this.#version++;
    if (isIncremental) this.#table.place(this.#table.maxSize, 0, 0);
    block.addTooLarge();
    return true;
  }

  /**
   * Decodes a string to `at` in the block's bytes, with room behind it for what else a line holds (RFC 7541 §5.2). Returns where
   * it ends, -1 for what can't be decoded, `TOO_LONG` for what is neither to be kept nor remembered.
   */
  #string(block: FieldBlock, at: number): number {
    if (this.#at >= this.#end) return -1;
    const bytes = this.#bytes;
    const isHuffman = bytes[this.#at]! >= HUFFMAN;
    const length = this.#integer(0x7f);
    const start = this.#at;
    if (length < 0 || length > this.#end - start) return -1;
    const end = start + length;
    this.#at = end;
    const lineRoom = at - block.reserve(0) + LINE_PUNCTUATION;
    let room = isHuffman ? decodedRoom(length) : length;
    const most = Math.max(block.mostBytes, this.#limit);
    if (lineRoom + room > most) {
      if (isHuffman) room = decodedSize(bytes, start, end);
      if (room < 0) return -1;
      if (lineRoom + room > most) return TOO_LONG;
      room += 2;
    }
    block.reserve(lineRoom + room);
    if (isHuffman) {
      const decodedEnd = decodeHuffman(bytes, start, end, block.bytes, at);
      this.#flags = decodedFlags;
      return decodedEnd;
    }
    this.#flags = copyFlagged(bytes, start, end, block.bytes, at);
    return at + length;
  }

  /** An integer whose first octet has the bits of `prefix` for it; -1 when it breaks off or is too large (RFC 7541 §5.1). */
  #integer(prefix: number): number {
    const bytes = this.#bytes;
    let value = bytes[this.#at++]! & prefix;
    if (value < prefix) return value;
    const last = Math.min(this.#end, this.#at + INTEGER_OCTETS);
    for (let shift = 0; this.#at < last; shift += 7) {
      const octet = bytes[this.#at++]!;
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
    return -1;
  }
}

/** Copies the name of an entry to `at` in the block's bytes, and makes room for it; returns where it ends. */
function copyName(source: FieldEntries, slot: number, block: FieldBlock, at: number): number {
  const from = source.entries[slot + LINE_START]!;
  const length = source.entries[slot + NAME_LENGTH]!;
  block.reserve(length + LINE_PUNCTUATION);
  copyBytes(source, from, from + length, block, at);
  return at + length;
}

/** Copies bytes and returns their flags. */
function copyFlagged(bytes: Buffer, start: number, end: number, to: Buffer, at: number): number {
  let flags = 0;
  for (let from = start, next = at; from < end; from++, next++) {
    const byte = bytes[from]!;
    to[next] = byte;
    flags |= BYTE_FLAGS[byte]!;
  }
  return flags;
}
