import { latin1 } from "../base/latin1.ts";
import { equalsLowercaseText, type FieldName, toFieldName } from "../http/field-names.ts";
import {
  FIELD_ID,
  FIELD_STRIDE,
  type FieldTable,
  NAME_END,
  NAME_START,
  VALUE_END,
  VALUE_START,
} from "../http/field-table.ts";
import type { FieldRun } from "../http/heads.ts";
import type { FieldLine, ResponseMeta } from "./meta.ts";
import { AFTER_NAME, AFTER_VALUE, At, FIXED, ID_BITS, META_VERSION, NAME_BITS, WORD } from "./meta-layout.ts";

const ID_MASK = 2 ** ID_BITS - 1;
const NAME_MASK = 2 ** NAME_BITS - 1;
const NO_BYTES = Buffer.alloc(0);

/**
 * Reads an encoded meta where it lies. One view serves any number of metas, one after the other: looking at numbers makes
 * nothing.
 */
export class MetaView {
  #bytes: Buffer = NO_BYTES;

  /** @param bytes of `encodeMeta`, or such as `isMeta` accepts; they are borrowed */
  of(bytes: Buffer): this {
    this.#bytes = bytes;
    return this;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  get status(): number {
    return this.#bytes.readUInt16LE(At.Status);
  }

  get flags(): number {
    return this.#bytes.readUInt32LE(At.Flags);
  }

  get responseTime(): number {
    return this.#bytes.readDoubleLE(At.ResponseTime);
  }

  get bornAt(): number {
    return this.#bytes.readDoubleLE(At.BornAt);
  }

  get date(): number {
    return this.#bytes.readDoubleLE(At.Date);
  }

  get lastModified(): number {
    return this.#bytes.readDoubleLE(At.LastModified);
  }

  get bodyLength(): number {
    return this.#bytes.readDoubleLE(At.BodyLength);
  }

  get lifetime(): number {
    return this.#bytes.readInt32LE(At.Lifetime);
  }

  get staleWhileRevalidate(): number {
    return this.#bytes.readInt32LE(At.StaleWhileRevalidate);
  }

  get staleIfError(): number {
    return this.#bytes.readInt32LE(At.StaleIfError);
  }

  get generation(): number {
    return this.#bytes.readUInt32LE(At.Generation);
  }

  get epoch(): number {
    return this.#bytes.readUInt32LE(At.Epoch);
  }

  /** Bits of the known fields that are there, as `ResponseHead.present` has them. */
  get present(): number {
    return this.#bytes.readUInt32LE(At.Present) | 0;
  }

  get fieldCount(): number {
    return this.#bytes[At.FieldCount]!;
  }

  get key(): string {
    const at = this.#textsAt();
    return latin1(this.#bytes, at, at + this.#keyLength());
  }

  /** Of a vary list; "" of a response, whose field says it. */
  get varyList(): string {
    const at = this.#textsAt() + this.#keyLength();
    return latin1(this.#bytes, at, at + this.#varyLength());
  }

  get tags(): string {
    const end = this.#linesAt();
    return latin1(this.#bytes, end - this.#tagsLength(), end);
  }

  /** The value of a field, several joined by ", "; null without. */
  field({ id, lowercase }: FieldName): string | null {
    const bytes = this.#bytes;
    const { length } = lowercase;
    let found: string | null = null;
    let at = this.#linesAt();
    for (let wordAt = FIXED, end = FIXED + this.fieldCount * WORD; wordAt < end; wordAt += WORD) {
      const word = bytes.readUInt32LE(wordAt);
      const nameLength = (word >>> ID_BITS) & NAME_MASK;
      const valueAt = at + nameLength + AFTER_NAME.length;
      const valueEnd = valueAt + (word >>> (ID_BITS + NAME_BITS));
      if ((word & ID_MASK) === id && nameLength === length && equalsLowercaseText(bytes, at, lowercase)) {
        const value = latin1(bytes, valueAt, valueEnd);
        found = found === null ? value : `${found}, ${value}`;
      }
      at = valueEnd + AFTER_VALUE.length;
    }
    return found;
  }

  get etag(): string | null {
    return this.field(ETAG);
  }

  /** As the server wrote it. */
  get lastModifiedText(): string | null {
    return this.field(LAST_MODIFIED);
  }

  /** The field; null without. */
  get vary(): string | null {
    return this.field(VARY);
  }

  /** @param offsets takes where the fields stand: at least `fieldCount * FIELD_STRIDE` numbers */
  toTable(offsets: Int32Array): FieldTable {
    const bytes = this.#bytes;
    const count = this.fieldCount;
    let at = this.#linesAt();
    for (let i = 0, to = 0; i < count; i++, to += FIELD_STRIDE) {
      const word = bytes.readUInt32LE(FIXED + i * WORD);
      const nameEnd = at + ((word >>> ID_BITS) & NAME_MASK);
      const valueStart = nameEnd + AFTER_NAME.length;
      const valueEnd = valueStart + (word >>> (ID_BITS + NAME_BITS));
      offsets[to + NAME_START] = at;
      offsets[to + NAME_END] = nameEnd;
      offsets[to + VALUE_START] = valueStart;
      offsets[to + VALUE_END] = valueEnd;
      offsets[to + FIELD_ID] = word & ID_MASK;
      at = valueEnd + AFTER_VALUE.length;
    }
    return { bytes, offsets, count, fieldsEnd: at };
  }

  /** Where the lines of the fields stand. */
  run(): FieldRun {
    const start = this.#linesAt();
    return { bytes: this.#bytes, start, end: start + this.#bytes.readUInt32LE(At.LinesLength) };
  }

  /** The fields as names and values. */
  lines(): FieldLine[] {
    const { offsets, count } = this.toTable(new Int32Array(this.fieldCount * FIELD_STRIDE));
    return Array.from({ length: count }, (_, i): FieldLine => {
      const at = i * FIELD_STRIDE;
      return [
        latin1(this.#bytes, offsets[at + NAME_START]!, offsets[at + NAME_END]!),
        latin1(this.#bytes, offsets[at + VALUE_START]!, offsets[at + VALUE_END]!),
      ];
    });
  }

  /** All of it, as `encodeMeta` was given it. */
  decode(): ResponseMeta {
    const { status, flags, responseTime, bornAt, date, lastModified, lifetime } = this;
    const { staleWhileRevalidate, staleIfError, bodyLength, generation, epoch, key, varyList, tags } = this;
    return {
      ...{ status, flags, responseTime, bornAt, date, lastModified, lifetime },
      ...{ staleWhileRevalidate, staleIfError, bodyLength, generation, epoch, key, varyList, tags },
      fields: this.lines(),
    };
  }

  #textsAt(): number {
    return FIXED + this.fieldCount * WORD;
  }

  #linesAt(): number {
    return this.#textsAt() + this.#keyLength() + this.#varyLength() + this.#tagsLength();
  }

  #keyLength(): number {
    return this.#bytes.readUInt32LE(At.KeyLength);
  }

  #varyLength(): number {
    return this.#bytes.readUInt16LE(At.VaryLength);
  }

  #tagsLength(): number {
    return this.#bytes.readUInt16LE(At.TagsLength);
  }
}

const ETAG = toFieldName("etag");
const LAST_MODIFIED = toFieldName("last-modified");
const VARY = toFieldName("vary");

/** Whether bytes that were stored elsewhere are a meta that a view can read without running past its end. */
export function isMeta(bytes: Buffer): boolean {
  if (bytes.length < FIXED || bytes[At.Version] !== META_VERSION) return false;
  const count = bytes[At.FieldCount]!;
  const linesAt =
    FIXED +
    count * WORD +
    bytes.readUInt32LE(At.KeyLength) +
    bytes.readUInt16LE(At.VaryLength) +
    bytes.readUInt16LE(At.TagsLength);
  const end = linesAt + bytes.readUInt32LE(At.LinesLength);
  if (end !== bytes.length) return false;
  let at = linesAt;
  for (let i = 0; i < count; i++) {
    const word = bytes.readUInt32LE(FIXED + i * WORD);
    at += ((word >>> ID_BITS) & NAME_MASK) + (word >>> (ID_BITS + NAME_BITS));
    at += AFTER_NAME.length + AFTER_VALUE.length;
  }
  return at === end;
}
