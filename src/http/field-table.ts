import { latin1 } from "../base/latin1.ts";
import { equalsLowercaseText, FieldId, type FieldName } from "./field-names.ts";

/**
 * Where the fields of a received head stand in its bytes, five numbers a field:
 *
 *     offsets:  | name start | name end | value start | value end | field id | name start | …
 *
 * Nothing is copied and no string is made until somebody asks for one.
 */
export interface FieldTable {
  readonly bytes: Buffer;
  readonly offsets: Int32Array;
  readonly count: number;
  /** Where the empty line that ends the section starts: the last field's line ends here. */
  readonly fieldsEnd: number;
}

/** Numbers a field takes in `FieldTable.offsets`. */
export const FIELD_STRIDE = 5;
export const NAME_START = 0;
export const NAME_END = 1;
export const VALUE_START = 2;
export const VALUE_END = 3;
export const FIELD_ID = 4;

/**
 * The received bytes behind a head. They are borrowed from the read slab at first; whoever needs them past the read
 * callback calls `retain`, and `settle` closes the window: what wasn't retained reads as empty from then on, never as
 * somebody else's bytes.
 */
export interface HeadSource {
  /** The fields as received, for the time being or retained. */
  table(): FieldTable;
  /** Copies the head out of the slab, once. */
  retain(): void;
  /** Ends the borrowing. */
  settle(): void;
}

const NO_BYTES = Buffer.alloc(0);
const NO_OFFSETS = new Int32Array(0);

/** A table without fields. */
export const EMPTY_TABLE: FieldTable = { bytes: NO_BYTES, offsets: NO_OFFSETS, count: 0, fieldsEnd: 0 };

/** The source of a head that was made here rather than received. */
export const EMPTY_SOURCE: HeadSource = {
  table: () => EMPTY_TABLE,
  retain() {},
  settle() {},
};

/** The name of field `index`, as it was spelt. */
export function nameAt(table: FieldTable, index: number): string {
  const at = index * FIELD_STRIDE;
  return latin1(table.bytes, table.offsets[at + NAME_START]!, table.offsets[at + NAME_END]!);
}

/** The value of field `index`, without the white space around it. */
export function valueAt(table: FieldTable, index: number): string {
  const at = index * FIELD_STRIDE;
  return latin1(table.bytes, table.offsets[at + VALUE_START]!, table.offsets[at + VALUE_END]!);
}

/** The id of field `index`. */
export function idAt(table: FieldTable, index: number): number {
  return table.offsets[index * FIELD_STRIDE + FIELD_ID]!;
}

/** The first field called `name` from index `from` on, -1 when there is none. */
export function indexOfField({ bytes, offsets, count }: FieldTable, name: FieldName, from: number): number {
  const { id, lowercase } = name;
  for (let index = from, at = from * FIELD_STRIDE; index < count; index++, at += FIELD_STRIDE) {
    if (offsets[at + FIELD_ID] !== id) continue;
    if (id !== FieldId.Other && id !== FieldId.ClientCertLookalike) return index;
    const start = offsets[at + NAME_START]!;
    if (offsets[at + NAME_END]! - start !== lowercase.length) continue;
    if (equalsLowercaseText(bytes, start, lowercase)) return index;
  }
  return -1;
}
