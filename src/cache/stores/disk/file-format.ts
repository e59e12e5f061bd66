import { crc32 } from "node:zlib";

/*
 * A file says all of itself, and can prove it:
 *
 *     | magic, id, lengths, checksum | key | meta, first place | meta, second place | body | a checksum per block | end |
 *
 * Meta has two places. What is newer goes where the older one stands, with a higher number: a write that was torn leaves the
 * other one. The rest is written once, front to back, under another name.
 */

const MAGIC = Buffer.from("SLUICEC1", "latin1");
const END_MAGIC = Buffer.from("SLUICEE1", "latin1");
const FIXED = 32;
const META_HEAD = 12;
const END = 32;

/** Bytes of the body that have a checksum together. */
export const BLOCK_BYTES: number = 64 * 1024;

/** What nobody but the writer of a file chose, so that two files of the same key can be told apart; the later one is greater. */
export interface FileId {
  /** Seconds, as a word with a sign like all of the index. */
  readonly high: number;
  readonly low: number;
}

/** The beginning of a file, as it was read. */
export interface FileHead {
  readonly id: FileId;
  readonly keyText: string;
  readonly meta: Buffer;
  readonly metaNumber: number;
  readonly metaCapacity: number;
  /** Where the two places of meta, and the body, begin. */
  readonly metaAt: number;
  readonly bodyAt: number;
}

/** A file that isn't whole, or not what it should be. */
export class BrokenFileError extends Error {
  override readonly name = "BrokenFileError";
}

function capacityFor(meta: Buffer): number {
  return meta.length + Math.max(128, meta.length >> 2);
}

/** The beginning of a file, up to its body. */
export function encodeHead(id: FileId, keyText: string, meta: Buffer): Buffer {
  const key = Buffer.from(keyText);
  const capacity = capacityFor(meta);
  const head = Buffer.alloc(FIXED + key.length + 2 * (META_HEAD + capacity));
  MAGIC.copy(head);
  head.writeUInt32LE(id.high >>> 0, 8);
  head.writeUInt32LE(id.low >>> 0, 12);
  head.writeUInt32LE(key.length, 16);
  head.writeUInt32LE(capacity, 20);
  head.writeUInt32LE(crc32(key, crc32(head.subarray(0, 24))), 24);
  key.copy(head, FIXED);
  encodeMetaPlace(meta, 1).copy(head, FIXED + key.length);
  return head;
}

/** What is written to one of the places of meta. */
export function encodeMetaPlace(meta: Buffer, number: number): Buffer {
  const place = Buffer.alloc(META_HEAD + meta.length);
  place.writeUInt32LE(number, 0);
  place.writeUInt32LE(meta.length, 4);
  meta.copy(place, META_HEAD);
  place.writeUInt32LE(crc32(meta, crc32(place.subarray(0, 8))), 8);
  return place;
}

/** Where in the file meta of that number stands. */
export function metaPlaceOf(head: FileHead, number: number): number {
  return head.metaAt + (number % 2 === 1 ? 0 : META_HEAD + head.metaCapacity);
}

/**
 * Bytes from the beginning that hold all of the head, as far as is known from these first ones.
 * @throws BrokenFileError when they are no beginning
 */
export function headBytes(bytes: Buffer): number {
  if (bytes.length < FIXED || bytes.compare(MAGIC, 0, 8, 0, 8) !== 0)
    throw new BrokenFileError("it is no file of the cache");
  return FIXED + bytes.readUInt32LE(16) + 2 * (META_HEAD + bytes.readUInt32LE(20));
}

/** @throws BrokenFileError */
export function parseHead(bytes: Buffer): FileHead {
  const bodyAt = headBytes(bytes);
  if (bytes.length < bodyAt) throw new BrokenFileError("its head is cut off");
  const metaAt = FIXED + bytes.readUInt32LE(16);
  const key = bytes.subarray(FIXED, metaAt);
  if (crc32(key, crc32(bytes.subarray(0, 24))) !== bytes.readUInt32LE(24))
    throw new BrokenFileError("its head is damaged");
  const metaCapacity = bytes.readUInt32LE(20);
  const places = bytes.subarray(metaAt, bodyAt);
  return {
    id: { high: bytes.readInt32LE(8), low: bytes.readInt32LE(12) },
    keyText: key.toString(),
    ...newestMeta(places, metaCapacity),
    ...{ metaCapacity, metaAt, bodyAt },
  };
}

/**
 * @param places both places of meta
 * @throws BrokenFileError
 */
export function newestMeta(places: Buffer, capacity: number): { meta: Buffer; metaNumber: number } {
  const first = metaIn(places, 0, capacity);
  const second = metaIn(places, META_HEAD + capacity, capacity);
  const newest = second !== null && (first === null || second.metaNumber > first.metaNumber) ? second : first;
  if (newest === null) throw new BrokenFileError("its meta is damaged");
  return newest;
}

function metaIn(places: Buffer, at: number, capacity: number): { meta: Buffer; metaNumber: number } | null {
  const metaNumber = places.readUInt32LE(at);
  const length = places.readUInt32LE(at + 4);
  if (metaNumber === 0 || length > capacity) return null;
  const meta = places.subarray(at + META_HEAD, at + META_HEAD + length);
  const isWhole = crc32(meta, crc32(places.subarray(at, at + 8))) === places.readUInt32LE(at + 8);
  return isWhole ? { meta: Buffer.from(meta), metaNumber } : null;
}

/** The end of a file, after its body. @param sums a checksum for each block */
export function encodeEnd(id: FileId, length: number, sums: readonly number[]): Buffer {
  const end = Buffer.alloc(4 * sums.length + END);
  for (let i = 0; i < sums.length; i++) end.writeUInt32LE(sums[i]!, 4 * i);
  const at = 4 * sums.length;
  END_MAGIC.copy(end, at);
  end.writeUInt32LE(id.high >>> 0, at + 8);
  end.writeUInt32LE(id.low >>> 0, at + 12);
  end.writeDoubleLE(length, at + 16);
  end.writeUInt32LE(sums.length, at + 24);
  end.writeUInt32LE(crc32(end.subarray(0, at + 28)), at + 28);
  return end;
}

/** Bytes of the end of a file, found from what is known of the rest. @throws BrokenFileError */
export function endBytes(fileBytes: number, bodyAt: number): number {
  // As each block takes its bytes and four more, the blocks are counted in units of both.
  const rest = fileBytes - bodyAt - END;
  if (rest < 0) throw new BrokenFileError("its end is missing");
  return END + 4 * Math.ceil(rest / (BLOCK_BYTES + 4));
}

/** @throws BrokenFileError */
export function parseEnd(bytes: Buffer, id: FileId, bodyBytes: number): number[] {
  const at = bytes.length - END;
  const isRight =
    bytes.compare(END_MAGIC, 0, 8, at, at + 8) === 0 &&
    bytes.readUInt32LE(at + 28) === crc32(bytes.subarray(0, at + 28)) &&
    bytes.readUInt32LE(at + 8) === id.high >>> 0 &&
    bytes.readUInt32LE(at + 12) === id.low >>> 0 &&
    bytes.readUInt32LE(at + 24) * 4 === at &&
    bytes.readDoubleLE(at + 16) === bodyBytes;
  if (!isRight) throw new BrokenFileError("its end is damaged");
  return Array.from({ length: at / 4 }, (_, i) => bytes.readUInt32LE(4 * i));
}
