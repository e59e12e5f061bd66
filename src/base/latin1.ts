/**
 * Heads are octets (RFC 9112 §2.2): decoding them as latin1 keeps every byte, so that a value read and written back is
 * the value that came in.
 */
export function latin1(bytes: Buffer, start: number, end: number): string {
  return bytes.toString("latin1", start, end);
}

/** Up to this length writing in a loop is cheaper than a call out of JavaScript. */
const SHORT = 8;

/** Writes latin1 text into `bytes` at `start`, where there is room for it; returns where it ends. */
export function writeLatin1(bytes: Buffer, start: number, text: string): number {
  const { length } = text;
  if (length > SHORT) return start + bytes.write(text, start, "latin1");
  for (let i = 0; i < length; i++) bytes[start + i] = text.charCodeAt(i);
  return start + length;
}
