import { fieldIdAt } from "../../http/field-names.ts";
import {
  FIELD_ID,
  FIELD_STRIDE,
  type FieldTable,
  NAME_END,
  NAME_START,
  VALUE_END,
  VALUE_START,
} from "../../http/field-table.ts";

const COLON = 0x3a;
const CR = 0x0d;
const LF = 0x0a;

/** Finds the fields again in lines that a block has written: well-formed, one space behind the colon, no white space else. */
export function readLines(bytes: Buffer, start: number): FieldTable {
  const offsets = new Int32Array(countLines(bytes, start) * FIELD_STRIDE);
  let slot = 0;
  for (let at = start; at < bytes.length; slot += FIELD_STRIDE) {
    const nameEnd = bytes.indexOf(COLON, at);
    const end = bytes.indexOf(CR, nameEnd);
    offsets[slot + NAME_START] = at;
    offsets[slot + NAME_END] = nameEnd;
    offsets[slot + VALUE_START] = nameEnd + 2;
    offsets[slot + VALUE_END] = end;
    offsets[slot + FIELD_ID] = fieldIdAt(bytes, at, nameEnd);
    at = end + 2;
  }
  return { bytes, offsets, count: slot / FIELD_STRIDE, fieldsEnd: bytes.length };
}

function countLines(bytes: Buffer, start: number): number {
  let lines = 0;
  for (let at = start; at < bytes.length; at++) if (bytes[at] === LF) lines++;
  return lines;
}
