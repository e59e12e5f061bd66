import { CHARACTER_CLASS, DIGIT, FIELD_VALUE, TARGET, TOKEN } from "../../http/characters.ts";
import { FieldId, fieldIdAt } from "../../http/field-names.ts";

/**
 * What is known of a field, found out once when it is first sent and kept beside it in the dynamic table:
 *
 *     kind:  | bad value | bad name | looked at | cookie | pseudo-header field (4 bits) | field id (5 bits) |
 *
 * Up to `LAST_PLAIN_KIND` there is nothing to it but its field id.
 */
export const LAST_PLAIN_KIND = 31;
const PSEUDO_AT = 5;
const PSEUDO_BITS: number = 15 << PSEUDO_AT;
/** One of the crumbs that a browser breaks its cookie into (RFC 9113 §8.2.3). */
export const COOKIE: number = 1 << 9;
/** Something in the whole head depends on it: `host`, `content-length`. */
export const LOOKED_AT: number = 1 << 10;
export const BAD_NAME: number = 1 << 11;
export const BAD_VALUE: number = 1 << 12;
/** Sent as never to be indexed. No table remembers such a field; this is said of one that is being decoded. */
export const GUARDED: number = 1 << 13;

/** Pseudo-header fields (RFC 9113 §8.3, RFC 8441 §4). */
export const Pseudo = {
  None: 0,
  Method: 1,
  Scheme: 2,
  Authority: 3,
  Path: 4,
  Protocol: 5,
  Status: 6,
} as const;

export type Pseudo = (typeof Pseudo)[keyof typeof Pseudo];

/** By number. */
export const PSEUDO_NAMES: readonly Buffer[] = [
  "",
  ":method",
  ":scheme",
  ":authority",
  ":path",
  ":protocol",
  ":status",
].map((name) => Buffer.from(name));
const COOKIE_NAME = Buffer.from("cookie");
const TRAILERS = Buffer.from("trailers");

/** Bits of `BYTE_FLAGS`; a string's flags are those of all its bytes. */
const NOT_IN_VALUE: number = 1 << 26;
const NOT_IN_NAME: number = 1 << 27;

/** What each byte must not stand in. Names are tokens in lower case (RFC 9113 §8.2.1). */
export const BYTE_FLAGS: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => {
  const isUpper = byte >= 0x41 && byte <= 0x5a;
  const inName = (CHARACTER_CLASS[byte]! & TOKEN) !== 0 && !isUpper;
  const inValue = (CHARACTER_CLASS[byte]! & FIELD_VALUE) !== 0;
  return (inName ? 0 : NOT_IN_NAME) | (inValue ? 0 : NOT_IN_VALUE);
});

/**
 * Fields that speak of the connection have no place in HTTP/2 (RFC 9113 §8.2.2): a head with one is malformed, since the
 * next HTTP/1 server could be made to read the message otherwise.
 */
const KIND_OF_ID: Partial<Record<FieldId, number>> = {
  [FieldId.Connection]: BAD_NAME,
  [FieldId.KeepAlive]: BAD_NAME,
  [FieldId.ProxyConnection]: BAD_NAME,
  [FieldId.TransferEncoding]: BAD_NAME,
  [FieldId.Upgrade]: BAD_NAME,
  [FieldId.Host]: FieldId.Host | LOOKED_AT,
  [FieldId.ContentLength]: FieldId.ContentLength | LOOKED_AT,
};

const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;
const ZERO = 0x30;
const SLASH = 0x2f;
const STAR = 0x2a;

/** Which pseudo-header field a kind is of. */
export function pseudoOf(kind: number): Pseudo {
  return ((kind & PSEUDO_BITS) >> PSEUDO_AT) as Pseudo;
}

/** The kind of a field by its name alone; `flags` are those of the name's bytes. */
export function kindOfName(bytes: Buffer, start: number, end: number, flags: number): number {
  if (end === start) return BAD_NAME;
  if (bytes[start] === COLON) {
    for (let pseudo = 1; pseudo < PSEUDO_NAMES.length; pseudo++) {
      if (isSame(bytes, start, end, PSEUDO_NAMES[pseudo]!)) return pseudo << PSEUDO_AT;
    }
    return BAD_NAME;
  }
  if ((flags & NOT_IN_NAME) !== 0) return BAD_NAME;
  const id = fieldIdAt(bytes, start, end);
  if (id !== FieldId.Other) return KIND_OF_ID[id] ?? id;
  return isSame(bytes, start, end, COOKIE_NAME) ? COOKIE : FieldId.Other;
}

/** A field's kind: that of its name, and what there is to say of its value; `flags` are those of the value's bytes. */
export function kindOfField(
  nameKind: number,
  bytes: Buffer,
  start: number,
  end: number,
  flags: number,
): number {
  const kind = nameKind & ~BAD_VALUE;
  if ((flags & NOT_IN_VALUE) !== 0) return kind | BAD_VALUE;
  if (end > start && (isBlank(bytes[start]!) || isBlank(bytes[end - 1]!))) return kind | BAD_VALUE;
  if (kind <= LAST_PLAIN_KIND && kind !== FieldId.Te) return kind;
  return isGoodValue(kind, bytes, start, end) ? kind : kind | BAD_VALUE;
}

function isGoodValue(kind: number, bytes: Buffer, start: number, end: number): boolean {
  switch (pseudoOf(kind)) {
    case Pseudo.Method:
    case Pseudo.Protocol:
      return end > start && isAllOf(bytes, start, end, TOKEN);
    case Pseudo.Scheme:
      return isScheme(bytes, start, end);
    case Pseudo.Authority:
      return isAuthority(bytes, start, end);
    case Pseudo.Path:
      return isPath(bytes, start, end);
    case Pseudo.Status:
      return isStatus(bytes, start, end);
    default:
      return isGoodFieldValue(kind & LAST_PLAIN_KIND, bytes, start, end);
  }
}

function isGoodFieldValue(id: number, bytes: Buffer, start: number, end: number): boolean {
  if (id === FieldId.Te) return isSame(bytes, start, end, TRAILERS);
  if (id === FieldId.Host) return isAuthority(bytes, start, end);
  if (id === FieldId.ContentLength) return isLength(bytes, start, end);
  return true;
}

/** Digits without a leading zero, and no more than a number holds exactly. */
function isLength(bytes: Buffer, start: number, end: number): boolean {
  const length = end - start;
  if (length === 0 || length > 15 || (length > 1 && bytes[start] === ZERO)) return false;
  return isAllOf(bytes, start, end, DIGIT);
}

/** Three digits from 100 on. There is no 101: HTTP/2 has no upgrade (RFC 9113 §8.6). */
function isStatus(bytes: Buffer, start: number, end: number): boolean {
  if (end - start !== 3 || bytes[start] === ZERO || !isAllOf(bytes, start, end, DIGIT)) return false;
  return !(bytes[start] === 0x31 && bytes[start + 1] === ZERO && bytes[start + 2] === 0x31);
}

/** origin-form, or `*` (RFC 9113 §8.3.1). */
function isPath(bytes: Buffer, start: number, end: number): boolean {
  if (end === start) return false;
  if (bytes[start] === STAR) return end - start === 1;
  return bytes[start] === SLASH && isAllOf(bytes, start, end, TARGET);
}

/** RFC 3986 §3.1. */
function isScheme(bytes: Buffer, start: number, end: number): boolean {
  if (end === start || !isLetter(bytes[start]!)) return false;
  for (let at = start + 1; at < end; at++) if (SCHEME_BYTE[bytes[at]!] === 0) return false;
  return true;
}

const SCHEME_BYTE = bytesOf("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
const IPV6_BYTE = bytesOf("0123456789abcdefABCDEF:.");
const HOST_BYTE = bytesOf("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+;=%");

/** A host with an optional port: a name, an IPv4 address or a bracketed IPv6 address (RFC 3986 §3.2.2). */
function isAuthority(bytes: Buffer, start: number, end: number): boolean {
  const isBracketed = bytes[start] === 0x5b;
  const hostStart = isBracketed ? start + 1 : start;
  const allowed = isBracketed ? IPV6_BYTE : HOST_BYTE;
  let at = hostStart;
  while (at < end && allowed[bytes[at]!] === 1) at++;
  if (at === hostStart) return false;
  if (isBracketed && (at === end || bytes[at++] !== 0x5d)) return false;
  if (at === end) return true;
  return bytes[at] === COLON && end - at <= 6 && isAllOf(bytes, at + 1, end, DIGIT);
}

function bytesOf(characters: string): Uint8Array {
  const set = new Uint8Array(256);
  for (const character of characters) set[character.charCodeAt(0)] = 1;
  return set;
}

function isLetter(byte: number): boolean {
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

function isAllOf(bytes: Buffer, start: number, end: number, characterClass: number): boolean {
  for (let at = start; at < end; at++) {
    if ((CHARACTER_CLASS[bytes[at]!]! & characterClass) === 0) return false;
  }
  return true;
}

function isSame(bytes: Buffer, start: number, end: number, expected: Uint8Array): boolean {
  if (end - start !== expected.length) return false;
  for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false;
  return true;
}
