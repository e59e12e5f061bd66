/*
 * A route decides by a path, but the server behind it may read that path differently: as a path with `%2F` for a slash,
 * without its empty segments, without `;parameters`, decoded once more. An attacker picks a spelling that the proxy reads
 * as harmless and the server as `/admin`. So:
 *
 * - A path is compared in decoded form, whatever its spelling: `/%61dmin` is `/admin`. Only `%2F` and `%25` stay as they
 *   are, for an encoded slash is not a slash.
 * - Dot segments in any spelling, encoded control characters, overlong UTF-8, broken escapes and backslashes are
 *   refused: no client sends them in good faith (clients resolve dot segments, RFC 3986 §5.2.4), and no rule could be
 *   sure of them.
 * - Of what remains, the readings that a server might have are all looked at. If they don't lead to the same route, no
 *   route takes the request. `//x` and `a%2Fb` pass wherever they change nothing.
 *
 * What is forwarded is the path as it was sent.
 */

const QUESTION_MARK = 0x3f;
const SLASH = 0x2f;
const DOT = 0x2e;
const PERCENT = 0x25;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;

/**
 * The length of the path of a target when there is only one way to read it, -1 otherwise. Nearly all paths are that
 * plain, and for them this is all the work there is.
 */
export function plainPathLength(target: string): number {
  let previous = 0;
  for (let i = 0; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code === QUESTION_MARK) return i;
    if (code === PERCENT || code === SEMICOLON || code === BACKSLASH) return -1;
    if (previous === SLASH && (code === SLASH || code === DOT)) return -1;
    previous = code;
  }
  return target.length;
}

/**
 * The readings of a path that a server might have, the literal one first; null when it has to be refused.
 * @param path without its query
 */
export function readingsOf(path: string): string[] | null {
  const literal = decodePath(path);
  if (literal === null) return null;
  let readings = [literal];
  for (const step of STEPS) readings = [...new Set([...readings, ...readings.map(step)])];
  return readings.some(isHostile) ? null : readings;
}

/** What a server may do to a path or not, in the order it would: two to the fifth readings at most, one mostly. */
const STEPS: readonly ((path: string) => string)[] = [
  (path) => path.replaceAll("%2F", "/"),
  decodeAgain,
  (path) => path.replaceAll("\\", "/"),
  withoutParameters,
  (path) => path.replace(/\/{2,}/g, "/"),
];

/** Malformed escapes, escaped control characters, overlong UTF-8 forms of ASCII, and what some take for a slash. */
const REFUSED = /\\|%(?![0-9a-f]{2})|%[01][0-9a-f]|%7f|%c[01]%[89ab]|%e0%[89]|%f0%8/i;

/** A path with its escapes decoded, but for `%2F`, `%25` and what is no UTF-8; null when it has to be refused. */
export function decodePath(path: string): string | null {
  return REFUSED.test(path) ? null : decodeText(decodeAscii(path, /^(?:25|2f)$/i));
}

/** What a second decoder makes of it, as in a chain of servers that each decode once. */
function decodeAgain(decoded: string): string {
  if (!decoded.includes("%25")) return decoded;
  return decodeText(decodeAscii(decoded.replaceAll("%25", "%"), /^$/));
}

function decodeAscii(path: string, kept: RegExp): string {
  return path.replace(/%([0-7][0-9a-f])/gi, (escaped: string, hex: string) =>
    kept.test(hex) ? escaped.toUpperCase() : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function decodeText(path: string): string {
  return path.replace(/(?:%[89a-f][0-9a-f])+/gi, (run) => {
    try {
      return decodeURIComponent(run);
    } catch {
      return run.toUpperCase();
    }
  });
}

/** Some servers cut `;parameters` off every segment, and whoever decodes before splitting loses what follows `?` or `#`. */
function withoutParameters(path: string): string {
  return path.replace(/[?#].*$/s, "").replace(/;[^/]*/g, "");
}

function isHostile(reading: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /(?:^|\/)\.\.?(?:\/|$)|[\x00-\x1f\x7f]/.test(reading);
}

/** A decoded path as it may stand in a request: `encodePath(decodePath(p))` is equivalent to `p`. */
export function encodePath(decoded: string): string {
  return decoded.replace(/%(?![0-9A-Fa-f]{2})|[^!$%&'()*+,\-./:;=@A-Z_a-z~0-9]/gu, (character) =>
    encodeURIComponent(character.isWellFormed() ? character : "\ufffd"),
  );
}
