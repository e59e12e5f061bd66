import { CHARACTER_CLASS, TOKEN } from "../../http/characters.ts";
import { CacheDirectives, MOST_SECONDS, noteFlag, noteSeconds } from "./directives.ts";
import { toFieldList } from "./field-list.ts";
import { parseSeconds } from "./seconds.ts";

const TAB = 0x09;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/**
 * Reads Cache-Control (RFC 9111 §5.2), several field lines joined by commas. Whatever is out of place costs its own element
 * only, and counts on the strict side: a `no-store` with something behind it is a `no-store`, a `max-age` that isn't a number
 * is 0, a quote that nobody closes hides nothing behind it. Unknown directives are passed over.
 */
export function parseCacheControl(value: string): CacheDirectives {
  const directives = new CacheDirectives();
  const { length } = value;
  const quotes = new Quotes(value);
  for (let at = 0; at < length; ) {
    at = skipSeparators(value, at);
    const nameEnd = skipToken(value, at);
    const end = skipElement(value, nameEnd, quotes);
    if (nameEnd > at) note(directives, value.slice(at, nameEnd).toLowerCase(), value, nameEnd, end);
    at = end + 1;
  }
  return directives;
}

/** Notes the directive `name`, whose argument, if any, stands in `value[from..to)`. */
function note(directives: CacheDirectives, name: string, value: string, from: number, to: number): void {
  let end = to;
  while (end > from && isSpace(value.charCodeAt(end - 1))) end--;
  const hasArgument = from < end && value.charCodeAt(from) === EQUALS;
  if (!hasArgument) {
    if (name === "max-stale" && from === end) noteSeconds(directives, name, MOST_SECONDS);
    else if (!noteSeconds(directives, name, Number.NaN)) noteFlag(directives, name, null);
    return;
  }
  const argument = unquoted(value.slice(from + 1, end));
  if (noteSeconds(directives, name, parseSeconds(argument))) return;
  noteFlag(directives, name, toFieldList(argument));
}

/** Either form is good for any directive (RFC 9111 §5.2). */
function unquoted(argument: string): string {
  const isQuoted = argument.length >= 2 && argument.startsWith('"') && argument.endsWith('"');
  return isQuoted ? argument.slice(1, -1) : argument;
}

function skipSeparators(value: string, from: number): number {
  let at = from;
  for (; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code !== COMMA && !isSpace(code)) break;
  }
  return at;
}

function skipToken(value: string, from: number): number {
  let at = from;
  for (; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code > 0xff || (CHARACTER_CLASS[code]! & TOKEN) === 0) break;
  }
  return at;
}

/** The comma that ends the element, or the end; commas in quotes don't. */
function skipElement(value: string, from: number, quotes: Quotes): number {
  let at = from;
  for (; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code === COMMA) break;
    if (code === QUOTE) at = quotes.close(at);
  }
  return at;
}

/** The quoted strings of a value. Behind one that nobody closes there are none: looking for the ends of many would take as long as the square of it. */
class Quotes {
  readonly #value: string;
  #areOver = false;

  constructor(value: string) {
    this.#value = value;
  }

  /** Where the quoted string that opens at `open` is closed; `open` itself if it never is. */
  close(open: number): number {
    if (this.#areOver) return open;
    for (let at = open + 1; at < this.#value.length; at++) {
      const code = this.#value.charCodeAt(at);
      if (code === QUOTE) return at;
      if (code === BACKSLASH) at++;
    }
    this.#areOver = true;
    return open;
  }
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB;
}
