import type { CacheKey } from "../../store.ts";

/** The text of a key as it stands in memory: a byte for each character, or two where one of them is beyond Latin-1. */
export function isWide(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return true;
  return false;
}

export function keyBytes(text: string): number {
  return isWide(text) ? 2 * text.length : text.length;
}

export function writeKey(bytes: Buffer, at: number, text: string): void {
  if (isWide(text)) bytes.write(text, at, "utf16le");
  else bytes.write(text, at, "latin1");
}

/** @param length in bytes */
export function readKey(bytes: Buffer, at: number, length: number, wide: boolean): string {
  return bytes.toString(wide ? "utf16le" : "latin1", at, at + length);
}

/** @param length in bytes */
export function isKey(bytes: Buffer, at: number, length: number, key: CacheKey, wide: boolean): boolean {
  if (!wide && key.isAt !== undefined) return key.isAt(bytes, at, length);
  const { text } = key;
  if (length !== (wide ? 2 * text.length : text.length)) return false;
  if (wide) return readKey(bytes, at, length, true) === text;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}
