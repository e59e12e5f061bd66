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
  XForwardedClientCert: 20,
  ClientCert: 21,
  ClientCertChain: 22,
  /** What servers might take for one of the three: any name that differs from it in its dashes only. */
  ClientCertLookalike: 23,
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
  [FieldId.XForwardedClientCert, "x-forwarded-client-cert"],
  [FieldId.ClientCert, "client-cert"],
  [FieldId.ClientCertChain, "client-cert-chain"],
];

/** A server that takes all but letters and digits for `_`, as CGI does, finds these names in many others. */
const IMITATED: readonly string[] = ["x-forwarded-client-cert", "client-cert", "client-cert-chain"];

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
export const HOP_BY_HOP: Uint8Array = new Uint8Array(FieldId.ClientCertLookalike + 1);
for (const id of HOP_BY_HOP_IDS) HOP_BY_HOP[id] = 1;

interface KnownName {
  readonly id: FieldId;
  readonly first: number;
  readonly bytes: Uint8Array;
  /** True when anything but letters and digits may stand for a dash. */
  readonly isLoose: boolean;
}

const LONGEST_NAME = 23;
/** The known names by length: few share one, so a lookup mostly compares at most three. */
const BY_LENGTH: readonly (readonly KnownName[])[] = Array.from({ length: LONGEST_NAME + 1 }, (_, length) =>
  [
    ...NAMES.map(([id, name]) => toKnownName(id, name, false)),
    ...IMITATED.map((name) => toKnownName(FieldId.ClientCertLookalike, name, true)),
  ].filter(({ bytes }) => bytes.length === length),
);

function toKnownName(id: FieldId, name: string, isLoose: boolean): KnownName {
  return { id, first: name.charCodeAt(0), bytes: Buffer.from(name), isLoose };
}

/** The id of the field name at `bytes[start..end)`, compared without regard to case. */
export function fieldIdAt(bytes: Uint8Array, start: number, end: number): FieldId {
  const length = end - start;
  if (length > LONGEST_NAME) return FieldId.Other;
  const candidates = BY_LENGTH[length]!;
  const first = bytes[start]! | 0x20;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i]!;
    if (candidate.first !== first) continue;
    if (equalsLowercase(bytes, start, candidate.bytes)) return candidate.id;
    if (candidate.isLoose && equalsLoosely(bytes, start, candidate.bytes)) return candidate.id;
  }
  return FieldId.Other;
}

const ID_BY_NAME: ReadonlyMap<string, FieldId> = new Map(NAMES.map(([id, name]) => [name, id]));

/** The id of a field name given in lower case. */
export function fieldIdOf(lowercaseName: string): FieldId {
  const known = ID_BY_NAME.get(lowercaseName);
  if (known !== undefined || !LOOSE_LENGTHS.has(lowercaseName.length)) return known ?? FieldId.Other;
  return fieldIdAt(Buffer.from(lowercaseName, "latin1"), 0, lowercaseName.length);
}

const LOOSE_LENGTHS: ReadonlySet<number> = new Set(IMITATED.map(({ length }) => length));

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

/** `equalsLowercase`, with anything but letters and digits for dashes. */
function equalsLoosely(bytes: Uint8Array, start: number, lowercase: Uint8Array): boolean {
  for (let i = 0; i < lowercase.length; i++) {
    const byte = toLower(bytes[start + i]!);
    if (byte !== lowercase[i] && (lowercase[i] !== DASH || isAlphanumeric(byte))) return false;
  }
  return true;
}

const DASH = 0x2d;

function isAlphanumeric(lower: number): boolean {
  return (lower >= 0x30 && lower <= 0x39) || (lower >= 0x61 && lower <= 0x7a);
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
