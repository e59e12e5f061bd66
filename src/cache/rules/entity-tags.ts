const QUOTE = 0x22;
const COMMA = 0x2c;

/** Weak comparison (RFC 9110 §8.8.3.2): whether both are the same but for a `W/` before them. */
export function matchesWeakly(one: string, other: string): boolean {
  return withoutWeakness(one) === withoutWeakness(other);
}

/** Strong comparison: the same, and neither is weak. */
export function matchesStrongly(one: string, other: string): boolean {
  return one === other && isStrong(one);
}

/** Whether a tag says that what it is of is the same to the byte. One that isn't in quotes says nothing. */
export function isStrong(tag: string): boolean {
  return tag.length >= 2 && tag.charCodeAt(0) === QUOTE && tag.charCodeAt(tag.length - 1) === QUOTE;
}

/**
 * Whether a list of tags, as `If-None-Match` has it, holds one that matches `tag` weakly. A tag that isn't in quotes, as some
 * servers make them, is found by its very text.
 */
export function listMatches(list: string, tag: string): boolean {
  for (let at = 0; at < list.length; ) {
    const end = elementEnd(list, at);
    if (matchesWeakly(list.slice(at, end).trim(), tag)) return true;
    at = end + 1;
  }
  return false;
}

/** The comma that ends an element: a tag in quotes may hold some itself, and knows no escapes (RFC 9110 §8.8.3). */
function elementEnd(list: string, from: number): number {
  let isQuoted = false;
  let at = from;
  for (; at < list.length; at++) {
    const code = list.charCodeAt(at);
    if (code === QUOTE) isQuoted = !isQuoted;
    else if (code === COMMA && !isQuoted) break;
  }
  return at;
}

function withoutWeakness(tag: string): string {
  return tag.startsWith("W/") ? tag.slice(2) : tag;
}
