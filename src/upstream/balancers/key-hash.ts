import { crc32 } from "node:zlib";

/** What each byte does to a sum; taken from the sums of single bytes, which begin with all bits set. */
const TABLE: Int32Array = Int32Array.from(
  { length: 256 },
  (_, byte) => ~crc32(Uint8Array.of(byte ^ 0xff)) ^ 0x00ff_ffff,
);

/**
 * The CRC-32 of a key, as a signed number: those are passed on without being put on the heap. A text is taken for the bytes that it was read from, one a character, as in fields and
 * targets of requests; when it has characters that aren't bytes, for its UTF-8.
 */
export function hashKey(key: string | Uint8Array): number {
  if (typeof key !== "string") return crc32(key) | 0;
  let sum = -1;
  for (let i = 0; i < key.length; i++) {
    const character = key.charCodeAt(i);
    if (character > 0xff) return crc32(key) | 0;
    sum = TABLE[(sum ^ character) & 0xff]! ^ (sum >>> 8);
  }
  return ~sum;
}

/** Spreads a hash over all 32 bits, signed, so that hashes that are related no longer are (the finalizer of MurmurHash3). */
export function mixHash(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16);
}
