import { FIELD_ID, FIELD_STRIDE, NAME_START, VALUE_END, VALUE_START } from "../../http/field-table.ts";

const LINE_START = Buffer.from("cookie: ");
const COLON_AT: number = LINE_START.length - 2;
const SEPARATOR = Buffer.from("; ");
const LINE_END = Buffer.from("\r\n");

/**
 * Joins a cookie's crumbs, between which other fields were sent, to one line that stands last (RFC 9113 §8.2.3). The lines
 * stand one behind the other in `bytes`, the crumbs among them from field `first` on, and as much room is behind them.
 * Returns how many fields there are then.
 */
export function joinCrumbs(bytes: Buffer, offsets: Int32Array, count: number, first: number): number {
  const joinedStart = offsets[(count - 1) * FIELD_STRIDE + VALUE_END]! + LINE_END.length;
  const joinedEnd = writeJoined(bytes, offsets, count, first, joinedStart);
  let to = offsets[first * FIELD_STRIDE + NAME_START]!;
  let kept = first;
  for (let i = first; i < count; i++) {
    if (!isCrumb(bytes, offsets, i)) to = moveField(bytes, offsets, i, kept++, to);
  }
  bytes.copyWithin(to, joinedStart, joinedEnd);
  const valueStart = to + LINE_START.length;
  const valueEnd = to + joinedEnd - joinedStart - LINE_END.length;
  offsets.set([to, to + COLON_AT, valueStart, valueEnd, 0], kept * FIELD_STRIDE);
  return kept + 1;
}

/** Moves a field's line to `to` and its offsets to those of field `index`; returns where the line ends. */
function moveField(bytes: Buffer, offsets: Int32Array, from: number, index: number, to: number): number {
  const at = from * FIELD_STRIDE;
  const start = offsets[at + NAME_START]!;
  const end = offsets[at + VALUE_END]! + LINE_END.length;
  bytes.copyWithin(to, start, end);
  const shift = to - start;
  const slot = index * FIELD_STRIDE;
  for (let i = 0; i < FIELD_ID; i++) offsets[slot + i] = offsets[at + i]! + shift;
  offsets[slot + FIELD_ID] = offsets[at + FIELD_ID]!;
  return end + shift;
}

function writeJoined(
  bytes: Buffer,
  offsets: Int32Array,
  count: number,
  first: number,
  start: number,
): number {
  let to = start + LINE_START.copy(bytes, start);
  for (let i = first; i < count; i++) {
    if (!isCrumb(bytes, offsets, i)) continue;
    if (i > first) to += SEPARATOR.copy(bytes, to);
    const valueEnd = offsets[i * FIELD_STRIDE + VALUE_END]!;
    to += bytes.copy(bytes, to, offsets[i * FIELD_STRIDE + VALUE_START]!, valueEnd);
  }
  return to + LINE_END.copy(bytes, to);
}

function isCrumb(bytes: Buffer, offsets: Int32Array, index: number): boolean {
  const start = offsets[index * FIELD_STRIDE + NAME_START]!;
  for (let i = 0; i < LINE_START.length; i++) if (bytes[start + i] !== LINE_START[i]) return false;
  return true;
}
