import { crc32 } from "node:zlib";
import type { PurgeMemory } from "./purge-memory.ts";
import { decodeRecords } from "./purge-records.ts";

/*
 * The purges of a process, for the one after it, little endian:
 *
 *     | version: u32 | generation: u32 | floor: u32 | records … | checksum of all before: u32 |
 */

const VERSION = 2;
const HEAD_BYTES = 12;
const SUM_BYTES = 4;

/** @returns all of them, and up to which generation */
export function encodePurges(memory: PurgeMemory): { readonly bytes: Buffer; readonly generation: number } {
  memory.enter();
  const { generation, floor } = memory.state;
  const records = memory.since({ end: 0, rewrites: -1 });
  memory.leave();
  const bytes = Buffer.alloc(HEAD_BYTES + records.length + SUM_BYTES);
  bytes.writeUInt32LE(VERSION, 0);
  bytes.writeUInt32LE(generation, 4);
  bytes.writeUInt32LE(floor, 8);
  records.copy(bytes, HEAD_BYTES);
  const end = bytes.length - SUM_BYTES;
  bytes.writeUInt32LE(crc32(bytes.subarray(0, end)), end);
  return { bytes, generation };
}

/**
 * Has what a process before has stored judged by its purges, and by those since.
 * @param bytes of `encodePurges`, and of nothing older: a purge that came after it would be undone
 * @returns false when they can't be read; all that process has stored is revalidated then
 */
export function adoptPurges(memory: PurgeMemory, bytes: Buffer): boolean {
  const end = bytes.length - SUM_BYTES;
  if (end < HEAD_BYTES || bytes.readUInt32LE(0) !== VERSION) return false;
  if (crc32(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) return false;
  const records = decodeRecords(bytes.subarray(HEAD_BYTES, end));
  if (records === null) return false;
  memory.enter();
  // What several machines were told is this one's own by now.
  const own = records.map((record) => ({ ...record, remote: 0 }));
  memory.adopt({ generation: bytes.readUInt32LE(4), floor: bytes.readUInt32LE(8) }, own);
  memory.leave();
  return true;
}
