import type { RequestHead } from "./heads.ts";

const EQUALS = 0x3d;
const SPACE = 0x20;
const TAB = 0x09;

/**
 * The value of a cookie of a request (RFC 6265 §4.2), null when it has none of that name. Names are compared as they are, case
 * included; of several of one name the first counts, which is the one with the longest path. Quotes around a value aren't
 * part of it; nothing is decoded.
 */
export function cookieOf(request: RequestHead, name: string): string | null {
  // Not joined by commas: a value may hold one.
  for (const field of request.headers.getAll("cookie")) {
    const value = valueIn(field, name);
    if (value !== null) return value;
  }
  return null;
}

function valueIn(field: string, name: string): string | null {
  for (let start = 0; start < field.length; ) {
    const semicolon = field.indexOf(";", start);
    const end = semicolon === -1 ? field.length : semicolon;
    const at = skipSpace(field, start);
    const equals = at + name.length;
    if (equals < end && field.charCodeAt(equals) === EQUALS && field.startsWith(name, at)) {
      return withoutQuotes(field.slice(equals + 1, end).trim());
    }
    start = end + 1;
  }
  return null;
}

function skipSpace(field: string, from: number): number {
  let at = from;
  for (let code = field.charCodeAt(at); code === SPACE || code === TAB; code = field.charCodeAt(++at));
  return at;
}

function withoutQuotes(value: string): string {
  const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
  return isQuoted ? value.slice(1, -1) : value;
}
