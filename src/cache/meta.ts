import { writeLatin1 } from "../base/latin1.ts";
import { fieldIdOf } from "../http/field-names.ts";
import {
  AFTER_NAME,
  AFTER_VALUE,
  At,
  FIXED,
  ID_BITS,
  LONGEST_NAME,
  LONGEST_TEXT,
  LONGEST_VALUE,
  META_VERSION,
  MOST_FIELDS,
  NAME_BITS,
  WORD,
} from "./meta-layout.ts";

/** What is true of a stored response, as bits. */
export const MetaFlag = {
  /** Never served stale, unless its own stale-… directive says otherwise. */
  MustRevalidate: 1,
  /** Asked about each time. */
  NoCache: 2,
  /** No response but the names of the fields by which those under this key vary. */
  VaryList: 8,
  /** A purge made it stale, however young it is. */
  Purged: 0x10,
  HasEtag: 0x20,
  HasLastModified: 0x40,
} as const;

export type FieldLine = readonly [name: string, value: string];

/** All that is kept of a response but its body. Times in milliseconds since 1970, NaN where there is none; the rest in seconds. */
export interface ResponseMeta {
  readonly status: number;
  /** `MetaFlag` bits. */
  readonly flags: number;
  /** When the response came. */
  readonly responseTime: number;
  /** When it was made, for all that its age tells. */
  readonly bornAt: number;
  /** Of its own fields. */
  readonly date: number;
  readonly lastModified: number;
  readonly lifetime: number;
  /** After its lifetime; 0 where it forbids that. */
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
  /** Bytes; -1 while nobody knows. */
  readonly bodyLength: number;
  /** Of the purges, when it was stored. */
  readonly generation: number;
  /**
   * A random number. Of a list of fields to vary by: so that variants of an earlier list are never found. Of a response: by which its
   * body is known, however often a 304 makes it fresh, so that what was made of an earlier one is never taken; 0: it isn't known.
   */
  readonly epoch: number;
  /** The text of its key. */
  readonly key: string;
  /** Of a list of fields to vary by: their names in lower case, joined by commas. */
  readonly varyList: string;
  /** As `tagsOf` gives them. */
  readonly tags: string;
  readonly fields: readonly FieldLine[];
}

/** Whether fields are such that a meta can hold them: at most 255, names up to 255 bytes, values up to 512 KiB. */
export function canHold(fields: readonly FieldLine[]): boolean {
  return (
    fields.length <= MOST_FIELDS &&
    fields.every(([name, value]) => name.length <= LONGEST_NAME && value.length <= LONGEST_VALUE)
  );
}

/** @throws RangeError for fields that `canHold` refuses, and for a vary or tags of more than 65,535 characters */
export function encodeMeta(meta: ResponseMeta): Buffer {
  const { fields, key, varyList, tags } = meta;
  if (!canHold(fields) || varyList.length > LONGEST_TEXT || tags.length > LONGEST_TEXT) {
    throw new RangeError("The response has more or longer fields than a cache keeps");
  }
  let linesLength = 0;
  for (const [name, value] of fields) {
    linesLength += name.length + AFTER_NAME.length + value.length + AFTER_VALUE.length;
  }
  const textsAt = FIXED + fields.length * WORD;
  const bytes = Buffer.allocUnsafe(textsAt + key.length + varyList.length + tags.length + linesLength);
  writeNumbers(bytes, meta);
  bytes.writeUInt32LE(key.length, At.KeyLength);
  bytes.writeUInt32LE(linesLength, At.LinesLength);
  bytes.writeUInt16LE(varyList.length, At.VaryLength);
  bytes.writeUInt16LE(tags.length, At.TagsLength);
  let at = writeLatin1(bytes, textsAt, key);
  at = writeLatin1(bytes, at, varyList);
  at = writeLatin1(bytes, at, tags);
  bytes.writeUInt32LE(writeFields(bytes, at, fields), At.Present);
  return bytes;
}

function writeNumbers(bytes: Buffer, meta: ResponseMeta): void {
  bytes.writeUInt8(META_VERSION, At.Version);
  bytes.writeUInt8(meta.fields.length, At.FieldCount);
  bytes.writeUInt16LE(meta.status, At.Status);
  bytes.writeUInt32LE(meta.flags, At.Flags);
  bytes.writeDoubleLE(meta.responseTime, At.ResponseTime);
  bytes.writeDoubleLE(meta.bornAt, At.BornAt);
  bytes.writeDoubleLE(meta.date, At.Date);
  bytes.writeDoubleLE(meta.lastModified, At.LastModified);
  bytes.writeDoubleLE(meta.bodyLength, At.BodyLength);
  bytes.writeInt32LE(toInt32(meta.lifetime), At.Lifetime);
  bytes.writeInt32LE(toInt32(meta.staleWhileRevalidate), At.StaleWhileRevalidate);
  bytes.writeInt32LE(toInt32(meta.staleIfError), At.StaleIfError);
  bytes.writeUInt32LE(meta.generation, At.Generation);
  bytes.writeUInt32LE(meta.epoch, At.Epoch);
}

/** 2^31 seconds stand for "for ever", and a second less does too. */
function toInt32(seconds: number): number {
  return Math.min(Math.floor(seconds), 0x7fffffff);
}

/** Writes the words of the fields and their lines; returns the bits of what is there. */
function writeFields(bytes: Buffer, linesAt: number, fields: readonly FieldLine[]): number {
  let present = 0;
  let at = linesAt;
  let wordAt = FIXED;
  for (const [name, value] of fields) {
    const id = fieldIdOf(name.toLowerCase());
    present |= 1 << id;
    const word = id | (name.length << ID_BITS) | (value.length << (ID_BITS + NAME_BITS));
    bytes.writeUInt32LE(word >>> 0, wordAt);
    wordAt += WORD;
    at = writeLatin1(bytes, at, name);
    at = writeLatin1(bytes, at, AFTER_NAME);
    at = writeLatin1(bytes, at, value);
    at = writeLatin1(bytes, at, AFTER_VALUE);
  }
  return present >>> 0;
}

/** A copy of an encoded meta that differs in what a purge changes. */
export function withPurge(meta: Buffer, flags: number, generation: number): Buffer {
  const copy = Buffer.from(meta);
  copy.writeUInt32LE(flags, At.Flags);
  copy.writeUInt32LE(generation, At.Generation);
  return copy;
}
