import { isToken } from "./characters.ts";

/**
 * The field names that a proxy has to act on. A head parser recognises them once, by length and bytes, and notes a small
 * number beside each field; everything later compares numbers.
 */
export const FieldId = {
  Other: 0,
  Host: 1,
  ContentLength: 2,
  TransferEncoding: 3,
  Connection: 4,
  KeepAlive: 5,
  ProxyConnection: 6,
  Upgrade: 7,
  Te: 8,
  Trailer: 9,
  Expect: 10,
  Http2Settings: 11,
  ProxyAuthenticate: 12,
  ProxyAuthorization: 13,
  Via: 14,
  Forwarded: 15,
  XForwardedFor: 16,
  XForwardedProto: 17,
  XForwardedHost: 18,
  Date: 19,
} as const;

export type FieldId = (typeof FieldId)[keyof typeof FieldId];

const NAMES: readonly (readonly [FieldId, string])[] = [
  [FieldId.Host, "host"],
  [FieldId.ContentLength, "content-length"],
  [FieldId.TransferEncoding, "transfer-encoding"],
  [FieldId.Connection, "connection"],
  [FieldId.KeepAlive, "keep-alive"],
  [FieldId.ProxyConnection, "proxy-connection"],
  [FieldId.Upgrade, "upgrade"],
  [FieldId.Te, "te"],
  [FieldId.Trailer, "trailer"],
  [FieldId.Expect, "expect"],
  [FieldId.Http2Settings, "http2-settings"],
  [FieldId.ProxyAuthenticate, "proxy-authenticate"],
  [FieldId.ProxyAuthorization, "proxy-authorization"],
  [FieldId.Via, "via"],
  [FieldId.Forwarded, "forwarded"],
  [FieldId.XForwardedFor, "x-forwarded-for"],
  [FieldId.XForwardedProto, "x-forwarded-proto"],
  [FieldId.XForwardedHost, "x-forwarded-host"],
  [FieldId.Date, "date"],
];

/**
 * Fields that belong to one connection and are never forwarded (RFC 9110 §7.6.1), besides those that a `Connection`
 * field names. `Trailer` stays: it describes the message. `HTTP2-Settings` goes because forwarding an h2c upgrade would
 * open a tunnel past every route and filter. The `Proxy-Auth*` pair speaks to the nearest proxy (RFC 9110 §11.7).
 */
const HOP_BY_HOP_IDS: readonly FieldId[] = [
  FieldId.Connection,
  FieldId.KeepAlive,
  FieldId.ProxyConnection,
  FieldId.TransferEncoding,
  FieldId.Te,
  FieldId.Upgrade,
  FieldId.Http2Settings,
  FieldId.ProxyAuthenticate,
  FieldId.ProxyAuthorization,
];

/** 1 at the id of every hop-by-hop field. */
export const HOP_BY_HOP: Uint8Array = new Uint8Array(NAMES.length + 1);
for (const id of HOP_BY_HOP_IDS) HOP_BY_HOP[id] = 1;

interface KnownName {
  readonly id: FieldId;
  readonly first: number;
  readonly bytes: Uint8Array;
}

const LONGEST_NAME = 20;
/** The known names by length: few share one, so a lookup compares at most three. */
const BY_LENGTH: readonly (readonly KnownName[])[] = Array.from({ length: LONGEST_NAME + 1 }, (_, length) =>
  NAMES.filter(([, name]) => name.length === length).map(([id, name]) => ({
    id,
    first: name.charCodeAt(0),
    bytes: Buffer.from(name),
  })),
);

/** The id of the field name at `bytes[start..end)`, compared without regard to case. */
export function fieldIdAt(bytes: Uint8Array, start: number, end: number): FieldId {
  const length = end - start;
  if (length > LONGEST_NAME) return FieldId.Other;
  const candidates = BY_LENGTH[length]!;
  const first = bytes[start]! | 0x20;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i]!;
    if (candidate.first === first && equalsLowercase(bytes, start, candidate.bytes)) return candidate.id;
  }
  return FieldId.Other;
}

const ID_BY_NAME: ReadonlyMap<string, FieldId> = new Map(NAMES.map(([id, name]) => [name, id]));

/** The id of a field name given in lower case. */
export function fieldIdOf(lowercaseName: string): FieldId {
  return ID_BY_NAME.get(lowercaseName) ?? FieldId.Other;
}

/** A field name as a program wrote it, with what every use of it needs. */
export interface FieldName {
  readonly lowercase: string;
  readonly id: FieldId;
  readonly isToken: boolean;
}

const seenNames = new Map<string, FieldName>();
/**
 * Names come from programs, where they are few and short. One that makes them up as it goes doesn't fill the memory, nor
 * does a client that has us take out the fields which its `Connection` names.
 */
const SEEN_LIMIT = 1024;
const LONGEST_SEEN = 64;

/** Looks a name up once: programs read and set the same few, request after request. */
export function toFieldName(name: string): FieldName {
  let known = seenNames.get(name);
  if (known !== undefined) return known;
  const lowercase = name.toLowerCase();
  known = { lowercase, id: fieldIdOf(lowercase), isToken: isToken(name) };
  if (name.length > LONGEST_SEEN) return known;
  if (seenNames.size >= SEEN_LIMIT) seenNames.clear();
  seenNames.set(name, known);
  return known;
}

/** True when the bytes at `start` spell `lowercase`, whatever their case; `lowercase` holds token characters only. */
export function equalsLowercase(bytes: Uint8Array, start: number, lowercase: Uint8Array): boolean {
  for (let i = 0; i < lowercase.length; i++) {
    if (toLower(bytes[start + i]!) !== lowercase[i]) return false;
  }
  return true;
}

/** `equalsLowercase` for a string. */
export function equalsLowercaseText(bytes: Uint8Array, start: number, lowercase: string): boolean {
  for (let i = 0; i < lowercase.length; i++) {
    if (toLower(bytes[start + i]!) !== lowercase.charCodeAt(i)) return false;
  }
  return true;
}

function toLower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}
