/**
 * Character classes of HTTP (RFC 9110 §5.6, RFC 9112 §3) as one 256-entry table of bit flags, so that a parser
 * asks one array for every byte and never runs a regular expression on the hot path.
 */

/** `tchar`: what methods and field names are made of (RFC 9110 §5.6.2). */
export const TOKEN = 1;
/** Field content: visible ASCII, space, tab and obs-text; never a control character (RFC 9110 §5.5). */
export const FIELD_VALUE = 2;
/**
 * A request target: visible ASCII without `#`. A fragment never travels in a request; servers that cut it and servers
 * that keep it see different paths, so it is refused rather than forwarded. Bytes above 0x7e must come percent-encoded.
 */
export const TARGET = 4;
/** Hexadecimal digits, as in chunk sizes. */
export const HEX = 8;
/** Decimal digits. */
export const DIGIT = 16;

/** Bit flags by byte value. */
export const CHARACTER_CLASS: Uint8Array = classify();

/** Value of a hexadecimal digit by byte value; meaningful only where `HEX` is set. */
export const HEX_VALUE: Uint8Array = hexValues();

function classify(): Uint8Array {
  const classes = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) {
    if (byte === 0x09 || (byte >= 0x20 && byte !== 0x7f)) classes[byte]! |= FIELD_VALUE;
    if (byte > 0x20 && byte < 0x7f && byte !== 0x23) classes[byte]! |= TARGET;
    if (byte >= 0x30 && byte <= 0x39) classes[byte]! |= TOKEN | HEX | DIGIT;
    const letter = byte | 0x20;
    if (letter >= 0x61 && letter <= 0x7a) classes[byte]! |= letter <= 0x66 ? TOKEN | HEX : TOKEN;
  }
  for (const char of "!#$%&'*+-.^_`|~") classes[char.charCodeAt(0)]! |= TOKEN;
  return classes;
}

function hexValues(): Uint8Array {
  const values = new Uint8Array(256);
  for (let digit = 0; digit < 16; digit++) {
    const text = digit.toString(16);
    values[text.charCodeAt(0)] = digit;
    values[text.toUpperCase().charCodeAt(0)] = digit;
  }
  return values;
}

/** True when `text` is a non-empty token. */
export function isToken(text: string): boolean {
  return text.length > 0 && isAllOf(text, TOKEN);
}

/** True when `text` may stand as a field value: no control characters, hence no way to inject a line. */
export function isFieldValue(text: string): boolean {
  return !NOT_IN_FIELD_VALUE.test(text);
}

/** What isn't `FIELD_VALUE`. Over a string an expression is faster than the table, for which every character is asked. */
const NOT_IN_FIELD_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

/** True when `text` may stand as a request target. */
export function isRequestTarget(text: string): boolean {
  return text.length > 0 && isAllOf(text, TARGET);
}

function isAllOf(text: string, characterClass: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255 || (CHARACTER_CLASS[code]! & characterClass) === 0) return false;
  }
  return true;
}
