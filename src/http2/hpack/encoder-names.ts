import { LAST_STATIC, STATIC_FIELDS } from "./static-table.ts";

/** How an encoder sends the fields of one name. */
export const Indexing = {
  /** Remembered in the dynamic table. */
  Yes: 0,
  /** Not remembered: it is another value each time, and would push out what comes again. */
  No: 1,
  /** Never to be remembered by anybody on its way: whoever can guess at it would learn from the size (RFC 7541 §7.1.3). */
  Never: 2,
  /** A cookie: a short one could be guessed. */
  Cookie: 3,
  /** A path: long ones hardly come twice. */
  Path: 4,
} as const;

export type Indexing = (typeof Indexing)[keyof typeof Indexing];

const SHORT_COOKIE = 20;
const LONG_PATH = 64;

const NEVER = ["authorization", "proxy-authorization", "x-api-key", "x-amz-security-token"];

/** By name, not by watching values: there are few such names, and watching costs time for every other field. */
const CHANGING = [
  "age",
  "cf-ray",
  "content-length",
  "content-location",
  "content-range",
  "etag",
  "expires",
  "forwarded",
  "grpc-message",
  "grpc-timeout",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "last-modified",
  "location",
  "range",
  "server-timing",
  "set-cookie",
  "traceparent",
  "tracestate",
  "x-amzn-trace-id",
  "x-correlation-id",
  "x-forwarded-for",
  "x-real-ip",
  "x-request-id",
  "x-response-time",
];

/**
 * What may be remembered where the fields of many clients go over one connection: names of things, and what programs say of
 * themselves. All else one client could guess of another, by the size of what is sent when it guesses right (RFC 7541 §7.1.1):
 * a whole value at a time, but paths, tokens in fields that nobody here knows, and cookies of few possible values can be found so.
 */
const COMMON_TO_CLIENTS = [
  ":authority",
  ":method",
  ":protocol",
  ":scheme",
  "accept",
  "accept-charset",
  "accept-encoding",
  "accept-language",
  "cache-control",
  "content-encoding",
  "content-language",
  "content-type",
  "dnt",
  "expect",
  "grpc-accept-encoding",
  "grpc-encoding",
  "host",
  "origin",
  "pragma",
  "priority",
  "sec-ch-ua",
  "sec-ch-ua-mobile",
  "sec-ch-ua-platform",
  "sec-fetch-dest",
  "sec-fetch-mode",
  "sec-fetch-site",
  "sec-fetch-user",
  "sec-websocket-version",
  "te",
  "trailer",
  "upgrade-insecure-requests",
  "user-agent",
  "via",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-grpc-web",
  "x-requested-with",
];

/** Bytes in lower case. */
export const LOWER: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte,
);

/** By a known name's number: its first index in the static table, 0 for none. A name that isn't known has number 0. */
export const STATIC_INDEX: number[] = [0];
/** By a known name's number: how fields of that name are sent. */
const INDEXING: Indexing[] = [Indexing.Yes];
/** The same where the fields of many clients are sent. */
const SHARED_INDEXING: Indexing[] = [Indexing.No];

const NAME_BYTES: Buffer[] = [Buffer.alloc(0)];
const BUCKETS = 512;
/** Numbers of known names by hash; one whose place is taken has the next free one. */
const numbers = new Uint8Array(BUCKETS);

for (let index = 1; index <= LAST_STATIC; index++) {
  const [name] = STATIC_FIELDS[index]!;
  if (name !== STATIC_FIELDS[index - 1]![0]) addName(name, index, Indexing.Yes);
}
addName(":protocol", 0, Indexing.Yes);
for (const name of CHANGING) setIndexing(name, Indexing.No);
for (const name of NEVER) setIndexing(name, Indexing.Never);
setIndexing("cookie", Indexing.Cookie);
setIndexing(":path", Indexing.Path);
for (const name of COMMON_TO_CLIENTS) share(name);

function addName(name: string, staticIndex: number, indexing: Indexing): void {
  const bytes = Buffer.from(name);
  let bucket = bucketOf(hashName(bytes, 0, bytes.length));
  while (numbers[bucket] !== 0) bucket = (bucket + 1) % BUCKETS;
  numbers[bucket] = NAME_BYTES.length;
  NAME_BYTES.push(bytes);
  STATIC_INDEX.push(staticIndex);
  INDEXING.push(indexing);
  SHARED_INDEXING.push(indexing === Indexing.Never ? Indexing.Never : Indexing.No);
}

function share(name: string): void {
  if (numberOf(name) < 0) addName(name, 0, Indexing.Yes);
  SHARED_INDEXING[numberOf(name)] = Indexing.Yes;
}

function numberOf(name: string): number {
  return NAME_BYTES.findIndex((bytes) => bytes.toString() === name);
}

function setIndexing(name: string, indexing: Indexing): void {
  const number = numberOf(name);
  if (number < 0) addName(name, 0, indexing);
  else {
    INDEXING[number] = indexing;
    if (indexing === Indexing.Never || indexing === Indexing.Cookie) SHARED_INDEXING[number] = Indexing.Never;
  }
}

function bucketOf(hash: number): number {
  return (hash ^ (hash >>> 15)) & (BUCKETS - 1);
}

/** A hash of a name, whatever its case (FNV-1a). */
export function hashName(bytes: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ LOWER[bytes[at]!]!, 0x01000193);
  return hash;
}

/** Goes on with a hash over the bytes of a value. */
export function hashValue(nameHash: number, bytes: Buffer, start: number, end: number): number {
  let hash = nameHash;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  return hash ^ (hash >>> 15);
}

/** The number of the known name at `bytes[start..end)`, 0 when it isn't known. */
export function knownNameAt(bytes: Buffer, start: number, end: number, hash: number): number {
  for (let bucket = bucketOf(hash); ; bucket = (bucket + 1) & (BUCKETS - 1)) {
    const number = numbers[bucket]!;
    if (number === 0 || isName(bytes, start, end, NAME_BYTES[number]!)) return number;
  }
}

function isName(bytes: Buffer, start: number, end: number, name: Buffer): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (LOWER[bytes[start + i]!] !== name[i]) return false;
  return true;
}

/**
 * How a field is sent whose name has this number.
 * @param isShared whether the fields of many clients go this way
 */
export function indexingOf(number: number, valueLength: number, isShared: boolean): Indexing {
  if (isShared) return SHARED_INDEXING[number]!;
  const indexing = INDEXING[number]!;
  if (indexing === Indexing.Cookie) return valueLength < SHORT_COOKIE ? Indexing.Never : Indexing.Yes;
  if (indexing === Indexing.Path) return valueLength > LONG_PATH ? Indexing.No : Indexing.Yes;
  return indexing;
}
