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

/** Bytes in lower case. */
export const LOWER: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte,
);

/** By a known name's number: its first index in the static table, 0 for none. A name that isn't known has number 0. */
export const STATIC_INDEX: number[] = [0];
/** By a known name's number: how fields of that name are sent. */
const INDEXING: Indexing[] = [Indexing.Yes];

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

function addName(name: string, staticIndex: number, indexing: Indexing): void {
  const bytes = Buffer.from(name);
  let bucket = bucketOf(hashName(bytes, 0, bytes.length));
  while (numbers[bucket] !== 0) bucket = (bucket + 1) % BUCKETS;
  numbers[bucket] = NAME_BYTES.length;
  NAME_BYTES.push(bytes);
  STATIC_INDEX.push(staticIndex);
  INDEXING.push(indexing);
}

function setIndexing(name: string, indexing: Indexing): void {
  const number = NAME_BYTES.findIndex((bytes) => bytes.toString() === name);
  if (number > 0) INDEXING[number] = indexing;
  else addName(name, 0, indexing);
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

/** How a field is sent whose name has this number. */
export function indexingOf(number: number, valueLength: number): Indexing {
  const indexing = INDEXING[number]!;
  if (indexing === Indexing.Cookie) return valueLength < SHORT_COOKIE ? Indexing.Never : Indexing.Yes;
  if (indexing === Indexing.Path) return valueLength > LONG_PATH ? Indexing.No : Indexing.Yes;
  return indexing;
}
