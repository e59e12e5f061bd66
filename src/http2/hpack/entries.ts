import type { Memory } from "./memory.ts";

/**
 * Fields of a static or dynamic table: bytes, and four numbers an entry. Each is kept as the line that it is in HTTP/1,
 * `name: value` with a line end, so that fields which were sent one after the other can be copied in one piece:
 *
 *     entries:  | line start | name length | value length | mark | line start | …
 *
 * The mark is the owner's: a decoder keeps the field's kind there, an encoder its hash.
 */
export interface FieldEntries extends Memory {
  readonly entries: Int32Array;
}

/** Numbers an entry takes. */
export const ENTRY_STRIDE = 4;
export const LINE_START = 0;
export const NAME_LENGTH = 1;
export const VALUE_LENGTH = 2;
export const MARK = 3;

/** Bytes of a line besides name and value. */
export const LINE_PUNCTUATION = 4;
/** Bytes that a field counts for besides its name and value (RFC 7541 §4.1, RFC 9113 §6.5.2). */
export const FIELD_OVERHEAD = 32;
