import { type Purge, PurgeKind, type PurgeKindCode } from "./purge.ts";

/*
 * Purges as bytes, one behind the other, little endian:
 *
 *     | generation: u32 | remote: f64 | length: u32 | kind: u8 | soft: u8 | text in UTF-8 | …
 */

const REMOTE = 4;
const LENGTH = 12;
const KIND = 16;
const SOFT = 17;
const TEXT = 18;

/** A purge in its place among the others. */
export interface PurgeRecord extends Purge {
  readonly generation: number;
  /** Its number among those of all machines; 0: it is one of this machine only. */
  readonly remote: number;
}

export function encodeRecord({ generation, remote, kind, isSoft, text }: PurgeRecord): Buffer {
  const length = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(TEXT + length);
  bytes.writeUInt32LE(generation, 0);
  bytes.writeDoubleLE(remote, REMOTE);
  bytes.writeUInt32LE(length, LENGTH);
  bytes[KIND] = kind;
  bytes[SOFT] = isSoft ? 1 : 0;
  bytes.write(text, TEXT);
  return bytes;
}

/** @returns null when they are no records */
export function decodeRecords(bytes: Buffer): PurgeRecord[] | null {
  const records: PurgeRecord[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + TEXT > bytes.length) return null;
    const end = at + TEXT + bytes.readUInt32LE(at + LENGTH);
    const kind = bytes[at + KIND]!;
    if (end > bytes.length || kind > PurgeKind.All) return null;
    records.push({
      generation: bytes.readUInt32LE(at),
      remote: bytes.readDoubleLE(at + REMOTE),
      kind: kind as PurgeKindCode,
      isSoft: bytes[at + SOFT] === 1,
      text: bytes.toString("utf8", at + TEXT, end),
    });
    at = end;
  }
  return records;
}

/** Those that later ones don't include: the same again, or what was purged before all was. */
export function withoutRepeated(records: readonly PurgeRecord[]): PurgeRecord[] {
  const hard = new Set<string>();
  const soft = new Set<string>();
  const kept: PurgeRecord[] = [];
  for (const record of records.toReversed()) {
    const { kind, text, isSoft } = record;
    const name = kind === PurgeKind.All ? ALL : `${kind}${text}`;
    const isRepeated = hard.has(ALL) || hard.has(name) || (isSoft && (soft.has(ALL) || soft.has(name)));
    if (!isRepeated) kept.push(record);
    (isSoft ? soft : hard).add(name);
  }
  return kept.reverse();
}

const ALL = `${PurgeKind.All}`;

/** How many of the oldest have to go so that the others take at most so many bytes. */
export function countBeyond(records: readonly PurgeRecord[], mostBytes: number): number {
  let bytes = 0;
  for (let at = records.length - 1; at >= 0; at--) {
    bytes += TEXT + Buffer.byteLength(records[at]!.text);
    if (bytes > mostBytes) return at + 1;
  }
  return 0;
}
