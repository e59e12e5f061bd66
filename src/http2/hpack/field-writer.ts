import { DEFAULT_TABLE_SIZE } from "../settings.ts";
import { DynamicTable } from "./dynamic-table.ts";
import {
  hashName,
  hashValue,
  Indexing,
  indexingOf,
  knownNameAt,
  LOWER,
  STATIC_INDEX,
} from "./encoder-names.ts";
import { ENTRY_STRIDE, FIELD_OVERHEAD, LINE_START, MARK, NAME_LENGTH, VALUE_LENGTH } from "./entries.ts";
import { encodeHuffman, huffmanSize } from "./huffman-encoder.ts";
import { copyBytes, isSameBytes, type Memory, toMemory } from "./memory.ts";
import { LAST_STATIC, STATIC_FIELDS, STATIC_TABLE } from "./static-table.ts";

/** Kinds of representation (RFC 7541 §6), as the bits of the first octet, with the bits that are left for an integer. */
const INDEXED = 0x80;
const INDEXED_PREFIX = 0x7f;
const INCREMENTAL = 0x40;
const INCREMENTAL_PREFIX = 0x3f;
const SIZE_UPDATE = 0x20;
const SIZE_UPDATE_PREFIX = 0x1f;
const NEVER_INDEXED = 0x10;
const LITERAL_PREFIX = 0x0f;
const HUFFMAN = 0x80;
const LENGTH_PREFIX = 0x7f;
const COLON = 0x3a;
const SPACE = 0x20;

const NOTHING = toMemory(Buffer.alloc(0));

/** Places for entries by hash: one that is taken is overwritten, which costs some compression and nothing else. */
const PLACES = 256;
/** An entry that would take more than this share of the table isn't worth what it pushes out. */
const LARGEST_SHARE = 0.5;

/**
 * Writes fields in the shortest way that the table allows, and keeps the encoder's dynamic table.
 *
 * Heads resemble each other, and so the field behind the one that was found last is mostly the next one in the table too.
 * That guess is a comparison of bytes; only where it fails are name and value hashed.
 */
export class FieldWriter {
  readonly #most: number;
  readonly #isShared: boolean;
  readonly #table: DynamicTable;
  /** Numbers of the entries, by the hash of the whole field and by that of the name. */
  readonly #byField = new Int32Array(PLACES);
  readonly #byName = new Int32Array(PLACES);
  /** Sizes that the peer has to be told of: the smallest, then the last one; -1 when there are none (RFC 7541 §4.2). */
  #smallest = -1;
  #version = 0;
  #out: Buffer = NOTHING.bytes;
  #at = 0;
  /** The entry that may come next, and the first that was used in this block. */
  #guess = 0;
  #first = 0;
  #isFirst = true;
  /** A name in lower case. */
  #lower: Buffer = Buffer.allocUnsafeSlow(64);
  /** The field that is being written. */
  #names: Memory = NOTHING;
  #nameStart = 0;
  #nameLength = 0;
  #nameHash = 0;
  #values: Memory = NOTHING;
  #valueStart = 0;
  #valueLength = 0;

  /** @param isShared whether the fields of many clients go this way: what one could guess of another isn't remembered */
  constructor(tableSize: number = DEFAULT_TABLE_SIZE, isShared: boolean = false) {
    this.#most = tableSize;
    this.#isShared = isShared;
    this.#table = new DynamicTable(DEFAULT_TABLE_SIZE);
    this.limitTable(DEFAULT_TABLE_SIZE);
  }

  limitTable(size: number): void {
    const usable = Math.min(size, this.#most);
    if (usable === this.#table.maxSize) return;
    this.#smallest = this.#smallest < 0 ? usable : Math.min(this.#smallest, usable);
    this.#version++;
    this.#table.resize(usable);
  }

  begin(out: Buffer, at: number): void {
    this.#out = out;
    this.#at = at;
    this.#guess = this.#first;
    this.#isFirst = true;
    if (this.#smallest < 0) return;
    const { maxSize } = this.#table;
    if (this.#smallest < maxSize) this.#integer(SIZE_UPDATE, SIZE_UPDATE_PREFIX, this.#smallest);
    this.#integer(SIZE_UPDATE, SIZE_UPDATE_PREFIX, maxSize);
    this.#smallest = -1;
  }

  end(): number {
    return this.#at;
  }

  /** Changes whenever an entry gets another index, or isn't there any more. */
  get tableVersion(): number {
    return this.#version;
  }

  get out(): Buffer {
    return this.#out;
  }

  get at(): number {
    return this.#at;
  }

  /** What stands there up to `at` was written by somebody who knew what it would be. */
  skipTo(at: number): void {
    this.#at = at;
  }

  /** A field of the static table. */
  writeIndex(index: number): void {
    this.#out[this.#at++] = INDEXED | index;
  }

  /** The next field: its name, in whatever case, and value stand in these bytes. */
  take(
    names: Memory,
    nameStart: number,
    nameEnd: number,
    values: Memory,
    valueStart: number,
    valueEnd: number,
  ): void {
    this.#names = names;
    this.#nameStart = nameStart;
    this.#nameLength = nameEnd - nameStart;
    this.#values = values;
    this.#valueStart = valueStart;
    this.#valueLength = valueEnd - valueStart;
  }

  /** Writes the field that was taken. */
  write(): void {
    const guess = this.#slotOf(this.#guess);
    if (guess >= 0 && this.#isEntry(guess)) this.#writeEntry(this.#guess);
    else this.#search();
  }

  /** Writes it as one that nobody may ever index. */
  writeGuarded(): void {
    const { bytes } = this.#names;
    const nameEnd = this.#nameStart + this.#nameLength;
    this.#nameHash = hashName(bytes, this.#nameStart, nameEnd);
    const known = knownNameAt(bytes, this.#nameStart, nameEnd, this.#nameHash);
    this.#writeLiteral(NEVER_INDEXED, LITERAL_PREFIX, STATIC_INDEX[known]!);
  }

  #search(): void {
    const { entries } = this.#table;
    const nameEnd = this.#nameStart + this.#nameLength;
    this.#nameHash = hashName(this.#names.bytes, this.#nameStart, nameEnd);
    const known = knownNameAt(this.#names.bytes, this.#nameStart, nameEnd, this.#nameHash);
    const staticIndex = STATIC_INDEX[known]!;
    const match = staticIndex === 0 ? 0 : this.#staticMatch(staticIndex);
    if (match > 0) {
      this.writeIndex(match);
      return;
    }
    const indexing = indexingOf(known, this.#valueLength, this.#isShared);
    const size = this.#nameLength + this.#valueLength + FIELD_OVERHEAD;
    if (indexing !== Indexing.Yes || size > this.#table.maxSize * LARGEST_SHARE) {
      const pattern = indexing === Indexing.Never ? NEVER_INDEXED : 0;
      this.#writeLiteral(pattern, LITERAL_PREFIX, staticIndex);
      return;
    }
    const hash = hashValue(
      this.#nameHash,
      this.#values.bytes,
      this.#valueStart,
      this.#valueStart + this.#valueLength,
    );
    const number = this.#byField[hash & (PLACES - 1)]!;
    const slot = this.#slotOf(number);
    if (slot >= 0 && entries[slot + MARK] === hash && this.#isEntry(slot)) {
      this.#writeEntry(number);
      return;
    }
    this.#writeLiteral(INCREMENTAL, INCREMENTAL_PREFIX, staticIndex);
    this.#remember(hash);
  }

  /** Where entry `number` stands, -1 when it isn't in the table any more. */
  #slotOf(number: number): number {
    const age = (this.#table.inserted - number) | 0;
    return age > 0 ? this.#table.slotAt(age) : -1;
  }

  /** Entries keep the names as they were spelt, so that the usual field is one piece of bytes that is there once more. */
  #isEntry(slot: number): boolean {
    const { entries } = this.#table;
    const nameLength = this.#nameLength;
    const valueLength = this.#valueLength;
    if (entries[slot + VALUE_LENGTH] !== valueLength || entries[slot + NAME_LENGTH] !== nameLength)
      return false;
    const line = entries[slot + LINE_START]!;
    const start = this.#valueStart;
    const end = start + valueLength;
    const isOneLine = this.#names === this.#values && this.#nameStart + nameLength + 2 === start;
    if (isOneLine && isSameBytes(this.#names, this.#nameStart, end, this.#table, line)) return true;
    return this.#isNameOf(slot) && isSameBytes(this.#values, start, end, this.#table, line + nameLength + 2);
  }

  #isNameOf(slot: number): boolean {
    const { bytes, entries } = this.#table;
    if (entries[slot + NAME_LENGTH] !== this.#nameLength) return false;
    const names = this.#names.bytes;
    const start = this.#nameStart;
    const shift = entries[slot + LINE_START]! - start;
    for (let at = start, end = start + this.#nameLength; at < end; at++) {
      if (LOWER[names[at]!] !== LOWER[bytes[at + shift]!]) return false;
    }
    return true;
  }

  /** The entry of the static table with this name, whose first is at `index`, and value; 0 when there is none. */
  #staticMatch(index: number): number {
    const { entries } = STATIC_TABLE;
    const start = this.#valueStart;
    const end = start + this.#valueLength;
    for (let i = index; i <= LAST_STATIC && (i === index || isSameName(i, index)); i++) {
      const slot = i * ENTRY_STRIDE;
      if (entries[slot + VALUE_LENGTH] !== this.#valueLength) continue;
      const valueStart = entries[slot + LINE_START]! + this.#nameLength + 2;
      if (isSameBytes(this.#values, start, end, STATIC_TABLE, valueStart)) return i;
    }
    return 0;
  }

  #writeEntry(number: number): void {
    this.#noteUse(number);
    this.#guess = (number + 1) | 0;
    this.#integer(INDEXED, INDEXED_PREFIX, LAST_STATIC + ((this.#table.inserted - number) | 0));
  }

  #noteUse(number: number): void {
    if (this.#isFirst) this.#first = number;
    this.#isFirst = false;
  }

  #writeLiteral(pattern: number, prefix: number, staticIndex: number): void {
    const index = staticIndex > 0 ? staticIndex : this.#indexOfName();
    this.#integer(pattern, prefix, index);
    if (index === 0) this.#writeName();
    const end = this.#valueStart + this.#valueLength;
    // Coded again for each request, a browser's cookie would cost a microsecond to save a quarter of its bytes.
    if (this.#isShared && pattern !== INCREMENTAL) this.#plain(this.#values.bytes, this.#valueStart, end);
    else this.#string(this.#values.bytes, this.#valueStart, end);
  }

  /** The index of an entry with this name, 0 when none is known. */
  #indexOfName(): number {
    const number = this.#byName[this.#nameHash & (PLACES - 1)]!;
    const slot = this.#slotOf(number);
    if (slot < 0 || !this.#isNameOf(slot)) return 0;
    return LAST_STATIC + ((this.#table.inserted - number) | 0);
  }

  #remember(hash: number): void {
    const table = this.#table;
    this.#version++;
    const number = table.inserted;
    const start = table.place(this.#nameLength, this.#valueLength, hash);
    this.#byField[hash & (PLACES - 1)] = number;
    this.#byName[this.#nameHash & (PLACES - 1)] = number;
    this.#noteUse(number);
    const nameEnd = start + this.#nameLength;
    copyBytes(this.#names, this.#nameStart, this.#nameStart + this.#nameLength, table, start);
    table.bytes[nameEnd] = COLON;
    table.bytes[nameEnd + 1] = SPACE;
    copyBytes(this.#values, this.#valueStart, this.#valueStart + this.#valueLength, table, nameEnd + 2);
  }

  /** The name as a string, in lower case (RFC 9113 §8.2.1). */
  #writeName(): void {
    if (this.#nameLength > this.#lower.length) this.#lower = Buffer.allocUnsafeSlow(this.#nameLength * 2);
    const lower = this.#lower;
    const { bytes } = this.#names;
    for (let i = 0; i < this.#nameLength; i++) lower[i] = LOWER[bytes[this.#nameStart + i]!]!;
    this.#string(lower, 0, this.#nameLength);
  }

  /** A string in the shorter of its two forms (RFC 7541 §5.2). */
  #string(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    const size = huffmanSize(bytes, start, end);
    if (size < length) {
      this.#integer(HUFFMAN, LENGTH_PREFIX, size);
      this.#at = encodeHuffman(bytes, start, end, this.#out, this.#at);
      return;
    }
    this.#plain(bytes, start, end);
  }

  #plain(bytes: Buffer, start: number, end: number): void {
    this.#integer(0, LENGTH_PREFIX, end - start);
    this.#at += bytes.copy(this.#out, this.#at, start, end);
  }

  /** RFC 7541 §5.1. */
  #integer(pattern: number, prefix: number, value: number): void {
    const out = this.#out;
    if (value < prefix) {
      out[this.#at++] = pattern | value;
      return;
    }
    out[this.#at++] = pattern | prefix;
    let rest = value - prefix;
    for (; rest >= 0x80; rest >>>= 7) out[this.#at++] = (rest & 0x7f) | 0x80;
    out[this.#at++] = rest;
  }
}

function isSameName(index: number, other: number): boolean {
  return STATIC_FIELDS[index]![0] === STATIC_FIELDS[other]![0];
}
