/** Room of the first piece: the rest of an HTTP/1 head fits. */
const FIRST_ROOM = 1024;

/**
 * Appends a copy of `bytes[start..end)` to what is held, which must come from here or be a view of such. The room
 * doubles and is used in place, so that a sender of single bytes doesn't make us copy everything for each of them; what
 * was there before is not changed, a pending write may refer to it. Nothing comes out of Node's pool, of which the last of many
 * copies would keep all the others.
 */
export function holdMore(held: Buffer | null, bytes: Buffer, start: number, end: number): Buffer {
  const size = end - start;
  const before = held === null ? 0 : held.length;
  if (held !== null && held.byteOffset + before + size <= held.buffer.byteLength) {
    const longer = Buffer.from(held.buffer as ArrayBuffer, held.byteOffset, before + size);
    bytes.copy(longer, before, start, end);
    return longer;
  }
  const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_ROOM, before * 2, before + size));
  held?.copy(larger);
  bytes.copy(larger, before, start, end);
  return larger.subarray(0, before + size);
}
