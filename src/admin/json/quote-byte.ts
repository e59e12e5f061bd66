/** The characters that have an escape of their own in Go. */
const NAMED: ReadonlyMap<number, string> = new Map([
  [0x07, "\\a"],
  [0x08, "\\b"],
  [0x09, "\\t"],
  [0x0a, "\\n"],
  [0x0b, "\\v"],
  [0x0c, "\\f"],
  [0x0d, "\\r"],
  [0x27, "\\'"],
  [0x5c, "\\\\"],
]);

/** A byte as Go's JSON errors show it: taken for a Latin-1 character, in single quotes. */
export function quoteByte(byte: number): string {
  return `'${NAMED.get(byte) ?? (isPrintable(byte) ? String.fromCharCode(byte) : escapeByte(byte))}'`;
}

/** No-break space and soft hyphen are characters that one wouldn't see. */
function isPrintable(byte: number): boolean {
  return (byte >= 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
}

function escapeByte(byte: number): string {
  const hex = byte.toString(16);
  return byte < 0x80 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex.padStart(4, "0")}`;
}
