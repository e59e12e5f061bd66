import { type FieldName, toFieldName } from "../../http/field-names.ts";
import type { RequestHead } from "../../http/heads.ts";
import { peekField } from "../../http/peek-field.ts";
import { parseHttpDate } from "./dates.ts";
import { matchesStrongly } from "./entity-tags.ts";
import type { Validators } from "./preconditions.ts";
import { RequestField } from "./request-fields.ts";

/** A part of a body: its first byte, and the one behind its last. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Ranges that a request may ask for; one with more gets the whole. */
const MOST_RANGES = 200;

/** Bytes between two ranges that are sent along: a part's own head takes about as many. */
const GAP = 80;

const RANGE: FieldName = toFieldName("range");
const IF_RANGE: FieldName = toFieldName("if-range");

/**
 * The parts of a stored body that a request is answered with (RFC 9110 §14.2): null for all of it, and none at all if there
 * are none such, which is answered by 416. Only a GET has ranges, and only what is answered by 200 without.
 * @param fields of the request, as `requestFieldsOf` found them: mostly there is nothing to do
 * @param length of the body, which must be known
 */
export function rangesFor(
  request: RequestHead,
  fields: number,
  stored: Validators,
  length: number,
  now: number,
): readonly ByteRange[] | null {
  if ((fields & RequestField.Range) === 0 || request.method !== "GET" || stored.status !== 200) return null;
  const value = peekField(request, RANGE);
  if (value === null) return null;
  if ((fields & RequestField.IfRange) !== 0) {
    const condition = peekField(request, IF_RANGE);
    if (condition !== null && !isSame(condition, stored, now)) return null;
  }
  return parseRanges(value, length);
}

/**
 * Whether what the client has a part of is what is stored, to the byte (RFC 9110 §13.1.5): by a strong tag, or by a date that
 * is strong, since nothing can have changed in the second of which it is.
 */
function isSame(condition: string, stored: Validators, now: number): boolean {
  if (isTag(condition)) return stored.etag !== null && matchesStrongly(condition, stored.etag);
  const { date, lastModified, responseTime } = stored;
  const made = Number.isNaN(date) ? responseTime : date;
  return parseHttpDate(condition, now) === lastModified && made - lastModified >= 1000;
}

function isTag(condition: string): boolean {
  return condition.startsWith('"') || condition.startsWith("W/");
}

/**
 * Whether a request wants the rest of what it has a part of by a date: that is the same for all codings of a body, and doesn't tell of which
 * one the part is.
 */
export function resumesByDate(request: RequestHead, fields: number): boolean {
  if ((fields & RequestField.IfRange) === 0) return false;
  const condition = peekField(request, IF_RANGE);
  return condition !== null && !isTag(condition);
}

const UNIT = /^bytes[ \t]*=/i;
const SPEC = /^(\d*)-(\d*)$/;

/**
 * Reads a Range. Overlapping ranges and such with next to nothing between them become one, so that an answer is never much
 * longer than the body.
 * @returns null when it is to be ignored: another unit, something that is no range, more than 200 of them; empty when none of
 * them lies in the body
 */
export function parseRanges(value: string, length: number): readonly ByteRange[] | null {
  const unit = UNIT.exec(value);
  if (unit === null) return null;
  const specs = value
    .slice(unit[0].length)
    .split(",", MOST_RANGES + 1)
    .map((spec) => spec.trim())
    .filter((spec) => spec !== "");
  if (specs.length === 0 || specs.length > MOST_RANGES) return null;
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    const range = parseSpec(spec, length);
    if (range === null) return null;
    if (range.start < range.end) ranges.push(range);
  }
  return ranges.length < 2 ? ranges : coalesced(ranges);
}

/** An empty one lies outside of the body; null isn't any. */
function parseSpec(spec: string, length: number): ByteRange | null {
  const [, first, last] = SPEC.exec(spec) ?? [];
  if (first === undefined || last === undefined) return null;
  if (first === "") return last === "" ? null : { start: Math.max(0, length - Number(last)), end: length };
  const start = Number(first);
  if (last === "") return { start, end: length };
  return Number(last) < start ? null : { start, end: Math.min(Number(last) + 1, length) };
}

/** Those that stand apart stay in the order in which they were asked for. */
function coalesced(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const sorted = ranges.toSorted((one, other) => one.start - other.start);
  const merged: ByteRange[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last === undefined || range.start > last.end + GAP) merged.push(range);
    else merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, range.end) };
  }
  return merged.length === ranges.length ? ranges : merged;
}

/** The Content-Range of a part (RFC 9110 §14.4). */
export function contentRange({ start, end }: ByteRange, length: number): string {
  return `bytes ${start}-${end - 1}/${length}`;
}

/** The Content-Range of a 416. */
export function unsatisfiedRange(length: number): string {
  return `bytes */${length}`;
}
