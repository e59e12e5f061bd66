import { latin1 } from "../../base/latin1.ts";
import { DictionaryReader, ItemKind } from "../../http2/dictionary-reader.ts";
import { CacheDirectives, noteFlag, noteSeconds } from "./directives.ts";

/**
 * Reads a targeted cache control field (RFC 9213), as `CDN-Cache-Control`: a structured field, for which there are no half
 * measures. A `private` or `no-cache` that lists fields counts as one for all of the response.
 * @returns null when it is to be ignored: it is empty, isn't a dictionary, or has a number that is none
 */
export function parseTargeted(value: string): CacheDirectives | null {
  const bytes = Buffer.from(value, "latin1");
  const reader = new DictionaryReader(bytes, 0, bytes.length);
  const members = new Map<string, number>();
  while (reader.next()) {
    const isFalse = reader.kind === ItemKind.Boolean && reader.value === 0;
    const isInteger = reader.kind === ItemKind.Integer;
    // The last of several counts (RFC 9651 §4.2.2).
    const member = isInteger ? Math.max(0, reader.value) : Number.NaN;
    members.set(latin1(bytes, reader.keyStart, reader.keyEnd), isFalse ? IS_FALSE : member);
  }
  return reader.failed || members.size === 0 ? null : toDirectives(members);
}

/** In place of a number that can't be negative. */
const IS_FALSE = -1;

function toDirectives(members: ReadonlyMap<string, number>): CacheDirectives | null {
  const directives = new CacheDirectives();
  for (const [name, number] of members) {
    if (number === IS_FALSE) continue;
    if (!noteSeconds(directives, name, number)) noteFlag(directives, name, null);
    else if (Number.isNaN(number)) return null;
  }
  return directives;
}
