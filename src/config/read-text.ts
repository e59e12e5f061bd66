import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { ConfigError } from "./config-error.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "may not be read",
  EISDIR: "is a folder",
};

/** @throws ConfigError that names the file */
export function readText(path: string): string {
  const bytes = readBytes(path);
  if (isUtf8(bytes)) return bytes.toString();
  // Read as it is, what it says could become something else.
  const place = placeOfNoUtf8(bytes);
  throw new ConfigError([{ file: path, ...place, path: "", message: "this is no UTF-8" }]);
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    throw new ConfigError([{ file: path, line: 0, column: 0, path: "", message: REASONS[code] ?? message }]);
  }
}

/** The first place that holds what no UTF-8 can. */
function placeOfNoUtf8(bytes: Buffer): { line: number; column: number } {
  for (let line = 1, start = 0; ; line++) {
    const end = bytes.indexOf("\n", start);
    const rest = bytes.subarray(start, end === -1 ? bytes.length : end);
    if (!isUtf8(rest) || end === -1) return { line, column: rest.toString().indexOf("\ufffd") + 1 };
    start = end + 1;
  }
}
