import { equalsLowercaseText, FieldId, toFieldName } from "../../http/field-names.ts";
import { FIELD_ID, FIELD_STRIDE, type FieldTable, NAME_END, NAME_START } from "../../http/field-table.ts";
import type { RequestHead } from "../../http/heads.ts";

/** The fields of a request that a cache has to look at, as bits. */
export const RequestField = {
  CacheControl: 1,
  Pragma: 2,
  Range: 4,
  IfRange: 8,
  IfNoneMatch: 0x10,
  IfModifiedSince: 0x20,
  /** If-Match or If-Unmodified-Since, which are for the server (RFC 9111 §4.3.2). */
  ForServer: 0x40,
  Authorization: 0x80,
  /** One that some servers take another URL or method from: what they answer isn't what the key says. */
  Override: 0x100,
} as const;

interface Watched {
  readonly name: string;
  readonly bit: number;
}

const WATCHED: readonly Watched[] = [
  { name: "cache-control", bit: RequestField.CacheControl },
  { name: "pragma", bit: RequestField.Pragma },
  { name: "range", bit: RequestField.Range },
  { name: "if-range", bit: RequestField.IfRange },
  { name: "if-none-match", bit: RequestField.IfNoneMatch },
  { name: "if-modified-since", bit: RequestField.IfModifiedSince },
  { name: "if-match", bit: RequestField.ForServer },
  { name: "if-unmodified-since", bit: RequestField.ForServer },
  { name: "authorization", bit: RequestField.Authorization },
  { name: "x-original-url", bit: RequestField.Override },
  { name: "x-rewrite-url", bit: RequestField.Override },
  { name: "x-http-method", bit: RequestField.Override },
  { name: "x-http-method-override", bit: RequestField.Override },
  { name: "x-method-override", bit: RequestField.Override },
  { name: "x-http-host-override", bit: RequestField.Override },
];

/** The names of those that say another URL or method. */
export const OVERRIDES: readonly string[] = WATCHED.filter(({ bit }) => bit === RequestField.Override).map(
  ({ name }) => name,
);

const LONGEST = Math.max(...WATCHED.map(({ name }) => name.length));
const BY_LENGTH: readonly (readonly Watched[])[] = Array.from({ length: LONGEST + 1 }, (_, length) =>
  WATCHED.filter(({ name }) => name.length === length),
);
const NAMES: readonly string[] = WATCHED.map(({ name }) => toFieldName(name).lowercase);

/**
 * Which of these fields a request has, found in one pass over its bytes: most have none of them, and then nothing else is
 * to be done.
 */
export function requestFieldsOf(request: RequestHead): number {
  const { touchedHeaders } = request;
  const isAsReceived =
    touchedHeaders === null || (touchedHeaders.changes === null && touchedHeaders.added === null);
  if (isAsReceived) return inTable(request.source.table());
  let bits = 0;
  for (let i = 0; i < NAMES.length; i++) {
    if (touchedHeaders.has(NAMES[i]!)) bits |= WATCHED[i]!.bit;
  }
  return bits;
}

function inTable({ bytes, offsets, count }: FieldTable): number {
  let bits = 0;
  for (let at = 0, end = count * FIELD_STRIDE; at < end; at += FIELD_STRIDE) {
    if (offsets[at + FIELD_ID] !== FieldId.Other) continue;
    const start = offsets[at + NAME_START]!;
    const length = offsets[at + NAME_END]! - start;
    if (length > LONGEST) continue;
    const watched = BY_LENGTH[length]!;
    for (let i = 0; i < watched.length; i++) {
      if (equalsLowercaseText(bytes, start, watched[i]!.name)) bits |= watched[i]!.bit;
    }
  }
  return bits;
}
