import type * as z from "zod";
import { decodePath, encodePath, readingsOf } from "../../filters/request-path.ts";
import { parsedBy, text } from "./values.ts";

const PATH_EXPECTED = "a path that begins with a slash, without query";
const PROBE_EXPECTED = "a path that begins with a slash";
const REGEX_EXPECTED = "a regular expression of JavaScript (with the flag u)";

/** A path as requests are compared with it. @throws RangeError that says what is wrong */
export function parseRulePath(path: string): string {
  checkPath(path, /[?#*]/);
  const decoded = decodePath(path);
  if (decoded === null || readingsOf(encodePath(decoded))?.length !== 1) {
    throw new RangeError(
      `${JSON.stringify(path)} is refused in requests: servers could read it in several ways`,
    );
  }
  return decoded;
}

/** A path as it is sent. */
function parseSentPath(path: string): string {
  checkPath(path, /[?#]/);
  return encodePath(path);
}

/** What is asked for by requests of the proxy's own: a path, with a query if need be. */
function parseProbePath(path: string): string {
  const [before = "", query] = path.split(/(?<=^[^?]*)\?/, 2);
  return query === undefined ? parseSentPath(before) : `${parseSentPath(before)}?${encodePath(query)}`;
}

function checkPath(path: string, refused: RegExp): void {
  if (!path.startsWith("/")) throw new RangeError(`${JSON.stringify(path)} doesn't begin with a slash`);
  const [character] = refused.exec(path) ?? [];
  if (character !== undefined) throw new RangeError(`${JSON.stringify(path)} holds ${character}`);
}

export const rulePath: z.ZodType<string> = parsedBy(text(PATH_EXPECTED), PATH_EXPECTED, parseRulePath);

export const sentPath: z.ZodType<string> = parsedBy(text(PATH_EXPECTED), PATH_EXPECTED, parseSentPath);

export const probePath: z.ZodType<string> = parsedBy(text(PROBE_EXPECTED), PROBE_EXPECTED, parseProbePath);

/** A prefix to take off, without a slash at its end. */
export const strippedPrefix: z.ZodType<string> = parsedBy(text(PATH_EXPECTED), PATH_EXPECTED, (path) => {
  return parseRulePath(path).replace(/\/$/, "");
});

/** A prefix to put before a path, without a slash at its end. */
export const addedPrefix: z.ZodType<string> = parsedBy(text(PATH_EXPECTED), PATH_EXPECTED, (path) => {
  return parseSentPath(path).replace(/\/$/, "");
});

export const regexText: z.ZodType<string> = parsedBy(text(REGEX_EXPECTED), REGEX_EXPECTED, (pattern) => {
  new RegExp(pattern, "u");
  return pattern;
});
