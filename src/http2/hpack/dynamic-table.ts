import {
  ENTRY_STRIDE,
  FIELD_OVERHEAD,
  type FieldEntries,
  LINE_PUNCTUATION,
  LINE_START,
  MARK,
  NAME_LENGTH,
  VALUE_LENGTH,
} from "./entries.ts";
import { viewOf } from "./memory.ts";

const NO_BYTES = Buffer.alloc(0);
const NO_VIEW = viewOf(NO_BYTES);
const NO_ENTRIES = new Int32Array(0);

/**
 * The dynamic table (RFC 7541 §2.3.2, §4): a ring of bytes and a ring of entries, the oldest of which go when there is
 * no room for a new one.
 *
 *     bytes:  | newer lines | free | oldest line … | … | gap |
 *                           ▲ next line
 *
 * Lines are never broken at the end of the ring. It has twice the bytes that the lines may take, so that one which doesn't
 * fit before the end always fits at the beginning. Nothing is allocated before the first entry.
 */
export class DynamicTable implements FieldEntries {
  bytes: Buffer = NO_BYTES;
  view: DataView = NO_VIEW;
  entries: Int32Array = NO_ENTRIES;
  /** Number of entries. */
  count = 0;
  /** How many entries there have been, modulo 2³²; the newest is number `inserted - 1`. */
  inserted = 0;
  /** Bytes by the counting rule of RFC 7541 §4.1. */
  size = 0;
  maxSize: number;
  #mask = 0;
  #next = 0;

  constructor(maxSize: number) {
    this.maxSize = maxSize;
  }

  /** Where entry `age` stands in `entries`, the newest being 1; -1 when there is none. */
  slotAt(age: number): number {
    if (age > this.count) return -1;
    return ((this.inserted - age) & this.#mask) * ENTRY_STRIDE;
  }

  /** Changes the size that the table may have (RFC 7541 §4.3). */
  resize(maxSize: number): void {
    this.maxSize = maxSize;
    this.#evictTo(maxSize);
  }

  /**
   * Makes room for a new entry. Returns where its line must be written, -1 when the entry is larger than the table, which is
   * empty then (RFC 7541 §4.4).
   */
  place(nameLength: number, valueLength: number, mark: number): number {
    const size = nameLength + valueLength + FIELD_OVERHEAD;
    if (size > this.maxSize) {
      this.#evictTo(0);
      return -1;
    }
    this.#evictTo(this.maxSize - size);
    if (2 * this.maxSize > this.bytes.length) this.#allocate();
    const length = nameLength + valueLength + LINE_PUNCTUATION;
    const start = this.#next + length <= this.bytes.length ? this.#next : 0;
    this.#next = start + length;
    const slot = (this.inserted & this.#mask) * ENTRY_STRIDE;
    this.entries[slot + LINE_START] = start;
    this.entries[slot + NAME_LENGTH] = nameLength;
    this.entries[slot + VALUE_LENGTH] = valueLength;
    this.entries[slot + MARK] = mark;
    this.inserted = (this.inserted + 1) | 0;
    this.count++;
    this.size += size;
    return start;
  }

  #evictTo(size: number): void {
    while (this.size > size) {
      const slot = this.slotAt(this.count);
      this.size -= this.entries[slot + NAME_LENGTH]! + this.entries[slot + VALUE_LENGTH]! + FIELD_OVERHEAD;
      this.count--;
    }
  }

  /** Takes memory for `maxSize`, and the entries along. */
  #allocate(): void {
    const { bytes, entries, count } = this;
    const oldMask = this.#mask;
    const most = Math.max(1, Math.floor(this.maxSize / FIELD_OVERHEAD));
    this.#mask = 2 ** Math.ceil(Math.log2(most)) - 1;
    this.bytes = Buffer.allocUnsafeSlow(this.maxSize * 2);
    this.view = viewOf(this.bytes);
    this.entries = new Int32Array((this.#mask + 1) * ENTRY_STRIDE);
    this.#next = 0;
    for (let age = count; age > 0; age--) {
      const from = ((this.inserted - age) & oldMask) * ENTRY_STRIDE;
      const to = this.slotAt(age);
      const start = entries[from]!;
      const length = entries[from + NAME_LENGTH]! + entries[from + VALUE_LENGTH]! + LINE_PUNCTUATION;
      for (let i = 0; i < ENTRY_STRIDE; i++) this.entries[to + i] = entries[from + i]!;
      this.entries[to + LINE_START] = this.#next;
      this.#next += bytes.copy(this.bytes, this.#next, start, start + length);
    }
  }
}
