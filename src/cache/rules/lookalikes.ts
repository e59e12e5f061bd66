import type { FieldName } from "../../http/field-names.ts";
import { FIELD_STRIDE, NAME_END, NAME_START, nameAt, valueAt } from "../../http/field-table.ts";
import type { RequestHead } from "../../http/heads.ts";

/**
 * The fields of a request that servers may take for `name`, as they came and a line each: by the manner of CGI they have
 * anything but letters and digits for a dash, so that `X_Tenant` is `X-Tenant` to them.
 * @returns "" for none, which is usual
 */
export function lookalikesOf(request: RequestHead, name: FieldName): string {
  const { lowercase } = name;
  if (!lowercase.includes("-")) return "";
  const { touchedHeaders } = request;
  let text = "";
  if (touchedHeaders !== null && (touchedHeaders.changes !== null || touchedHeaders.added !== null)) {
    for (const [other, value] of touchedHeaders)
      if (ODD.test(other) && isLookalike(Buffer.from(other), 0, other.length, lowercase))
        text += `\n${other}:${value}`;
    return text;
  }
  const table = request.source.table();
  const { bytes, offsets } = table;
  for (let i = 0; i < table.count; i++) {
    const at = i * FIELD_STRIDE;
    if (isLookalike(bytes, offsets[at + NAME_START]!, offsets[at + NAME_END]!, lowercase))
      text += `\n${nameAt(table, i)}:${valueAt(table, i)}`;
  }
  return text;
}

const ODD = /[^a-z0-9-]/i;

/** Whether the name differs from it, and in its dashes only. */
function isLookalike(bytes: Uint8Array, start: number, end: number, lowercase: string): boolean {
  if (end - start !== lowercase.length) return false;
  let differs = false;
  for (let i = 0; i < lowercase.length; i++) {
    const byte = bytes[start + i]!;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    if (lower === lowercase.charCodeAt(i)) continue;
    if (lowercase.charCodeAt(i) !== DASH || isAlphanumeric(lower)) return false;
    differs = true;
  }
  return differs;
}

function isAlphanumeric(lower: number): boolean {
  return (lower >= 0x30 && lower <= 0x39) || (lower >= 0x61 && lower <= 0x7a);
}

const DASH = 0x2d;
