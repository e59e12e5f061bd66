/** Bytes of a message that are sent; the rest of a longer one is left out. */
const MOST_BYTES = 1024;

/** A text as a `grpc-message`: UTF-8, with everything but printable ASCII, and `%`, percent-encoded. */
export function encodeGrpcMessage(text: string): string {
  const bytes = Buffer.from(text.toWellFormed());
  let message = "";
  for (const byte of bytes.subarray(0, endOfWhole(bytes))) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    message += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return message;
}

/** Where the text may be cut, so that no character is. */
function endOfWhole(bytes: Buffer): number {
  let end = Math.min(bytes.length, MOST_BYTES);
  while (end > 0 && end < bytes.length && (bytes[end]! & 0xc0) === 0x80) end--;
  return end;
}
