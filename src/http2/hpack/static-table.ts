import { ENTRY_STRIDE, type FieldEntries } from "./entries.ts";
import { BYTE_FLAGS, kindOfField, kindOfName } from "./field-kinds.ts";
import { toMemory } from "./memory.ts";

/** RFC 7541 Appendix A, from index 1 on. */
const LINES: readonly string[] = `:authority:
:method: GET
:method: POST
:path: /
:path: /index.html
:scheme: http
:scheme: https
:status: 200
:status: 204
:status: 206
:status: 304
:status: 400
:status: 404
:status: 500
accept-charset:
accept-encoding: gzip, deflate
accept-language:
accept-ranges:
accept:
access-control-allow-origin:
age:
allow:
authorization:
cache-control:
content-disposition:
content-encoding:
content-language:
content-length:
content-location:
content-range:
content-type:
cookie:
date:
etag:
expect:
expires:
from:
host:
if-match:
if-modified-since:
if-none-match:
if-range:
if-unmodified-since:
last-modified:
link:
location:
max-forwards:
proxy-authenticate:
proxy-authorization:
range:
referer:
refresh:
retry-after:
server:
set-cookie:
strict-transport-security:
transfer-encoding:
user-agent:
vary:
via:
www-authenticate:`.split("\n");

/** Names and values by index; there is none at 0. */
export const STATIC_FIELDS: readonly (readonly [name: string, value: string])[] = [
  ["", ""],
  ...LINES.map((line) => {
    const colon = line.indexOf(":", 1);
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
  }),
];

/** The highest index of the static table; the dynamic table follows. */
export const LAST_STATIC: number = LINES.length;

/** The static table for decoders, by index. */
export const STATIC_TABLE: FieldEntries = toEntries();

function toEntries(): FieldEntries {
  const bytes = Buffer.from(STATIC_FIELDS.map(([name, value]) => `${name}: ${value}\r\n`).join(""));
  const entries = new Int32Array(STATIC_FIELDS.length * ENTRY_STRIDE);
  let start = 0;
  STATIC_FIELDS.forEach(([name, value], index) => {
    const nameEnd = start + name.length;
    const valueStart = nameEnd + 2;
    const valueEnd = valueStart + value.length;
    const nameKind = kindOfName(bytes, start, nameEnd, flagsOf(bytes, start, nameEnd));
    const kind = kindOfField(nameKind, bytes, valueStart, valueEnd, flagsOf(bytes, valueStart, valueEnd));
    entries.set([start, name.length, value.length, kind], index * ENTRY_STRIDE);
    start = valueEnd + 2;
  });
  return { ...toMemory(bytes), entries };
}

function flagsOf(bytes: Buffer, start: number, end: number): number {
  let flags = 0;
  for (let at = start; at < end; at++) flags |= BYTE_FLAGS[bytes[at]!]!;
  return flags;
}
