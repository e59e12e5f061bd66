/**
 * Heads are octets (RFC 9112 §2.2): decoding them as latin1 keeps every byte, so that a value read and written back is
 * the value that came in.
 */
export function latin1(bytes: Buffer, start: number, end: number): string {
  return bytes.toString("latin1", start, end);
}
