import { copyPiece } from "../base/copy-piece.ts";
import { writeLatin1 } from "../base/latin1.ts";
import { declaresLength } from "../http/declared-length.ts";
import { fieldBit, HOP_BY_HOP_BITS, NOT_IN_TRAILERS } from "../http/field-bits.ts";
import { FieldId } from "../http/field-names.ts";
import { EMPTY_TABLE, FIELD_ID, FIELD_STRIDE, type FieldTable, NAME_START } from "../http/field-table.ts";
import type { BodyLength, RequestHead, ResponseHead } from "../http/heads.ts";
import type { HttpHeaders, OwnField } from "../http/http-headers.ts";
import { reasonPhrase } from "../http/status.ts";
import type { RequestAdditions } from "../http/streams.ts";
import type { Output, OutputOwner } from "../net/output.ts";
import { ReceivedRequest, ReceivedResponse } from "./received-head.ts";

const CONTENT_LENGTH = fieldBit(FieldId.ContentLength);

/** The empty line behind the fields. */
const END = [0x0d, 0x0a] as const;
const COLON = 0x3a;
const SPACE = 0x20;
const NO_BYTES = Buffer.alloc(0);
const CHUNKED_LINE = "Transfer-Encoding: chunked\r\n";

/** Writes a request head for an HTTP/1.1 server, framed by `body`. */
export function writeRequestHead(
  output: Output,
  owner: OutputOwner,
  head: RequestHead,
  body: BodyLength,
  additions: RequestAdditions,
): void {
  const { source, touchedHeaders } = head;
  const table = source.table();
  const rawLine = !head.lineChanged && source instanceof ReceivedRequest ? source.lineStart() : -1;
  // A target that is as it came is copied, and no string made of it.
  const targetStart = rawLine < 0 && !head.lineChanged ? source.targetStart : -1;
  const isCopied = rawLine >= 0 || targetStart >= 0;
  const line = isCopied ? "" : `${head.method} ${head.target} HTTP/1.1\r\n`;
  const keepsLength = declaresLength(head, body);
  const dropped = HOP_BY_HOP_BITS | additions.dropped | (keepsLength ? 0 : CONTENT_LENGTH);
  const upgrade =
    additions.upgrade === null ? "" : `Connection: Upgrade\r\nUpgrade: ${additions.upgrade}\r\n`;
  const framing = keepsLength ? "" : framingLines(body);
  const { lines } = additions;
  writeHead(output, owner, {
    method: targetStart >= 0 ? head.method : "",
    targetStart,
    targetEnd: source.targetEnd,
    line,
    rawLine,
    table,
    headers: touchedHeaders,
    dropped,
    framing: framing + upgrade,
    lines,
  });
}

/** A response's body, with one more way to end than requests have. */
export type ResponseFraming = BodyLength | "until-close";

/** Writes a response head, framed by `body`; `lines` are the proxy's own fields, each ended by CRLF. */
export function writeResponseHead(
  output: Output,
  owner: OutputOwner,
  head: ResponseHead,
  body: ResponseFraming,
  lines: string,
): void {
  const { source, touchedHeaders, ownLines } = head;
  const rawLine = !head.lineChanged && source instanceof ReceivedResponse ? source.lineStart() : -1;
  const keepsLength = body === "none" ? mayDeclareAnything(head.status) : declaresLength(head, body);
  const dropped = HOP_BY_HOP_BITS | (keepsLength ? 0 : CONTENT_LENGTH);
  const isWhole = touchedHeaders === null && (head.present & dropped) === 0;
  const run = isWhole ? (source.run ?? null) : null;
  const table = run === null ? source.table() : EMPTY_TABLE;
  const received = run === null ? receivedSize(table, rawLine) : run.end - run.start;
  const line = rawLine >= 0 ? NO_BYTES : statusLine(head);
  const ours = line.length + MOST_FRAMING + ownLines.length + lines.length + END.length;
  output.reserve(owner, ours + received + ownSize(touchedHeaders));
  const { slab } = output;
  let at = rawLine >= 0 ? output.at : copyPiece(line, 0, line.length, slab, output.at);
  if (run !== null) at = copyPiece(run.bytes, run.start, run.end, slab, at);
  else at = writeFields(slab, at, table, rawLine, touchedHeaders, dropped);
  if (!keepsLength) at = writeFraming(slab, at, body);
  if (ownLines !== "") at = writeOwnLines(slab, at, head);
  if (lines !== "") at += slab.write(lines, at, "latin1");
  output.at = writeEnd(slab, at);
}

/** Of statuses with their standard phrases. */
const statusLines: Buffer[] = [];

function statusLine({ status, reason }: ResponseHead): Buffer {
  const known = statusLines[status];
  if (known !== undefined && reason === reasonPhrase(status)) return known;
  const line = Buffer.from(`HTTP/1.1 ${status} ${reason}\r\n`, "latin1");
  if (reason === reasonPhrase(status)) statusLines[status] = line;
  return line;
}

/** Lines that many responses have are there as bytes: to copy them costs a fifth of writing their text. */
function writeOwnLines(slab: Buffer, at: number, { ownLines, ownBytes }: ResponseHead): number {
  if (ownBytes === null) return at + slab.write(ownLines, at, "latin1");
  return copyPiece(ownBytes, 0, ownBytes.length, slab, at);
}

/** Writes the last chunk with its trailer section. */
export function writeLastChunk(output: Output, owner: OutputOwner, trailers: HttpHeaders | null): void {
  if (trailers === null) {
    output.text(owner, "0\r\n\r\n");
    return;
  }
  const table = trailers.source.table();
  const plan = {
    ...NO_TARGET,
    line: "0\r\n",
    rawLine: -1,
    table,
    headers: trailers,
    dropped: NOT_IN_TRAILERS,
    framing: "",
    lines: "",
  };
  writeHead(output, owner, plan);
}

/**
 * A response to HEAD and a 304 declare the length of a body that isn't there; a 1xx and a 204 must not (RFC 9110 §8.6):
 * a client that believed them would take the next response for their body.
 */
function mayDeclareAnything(status: number): boolean {
  return status >= 200 && status !== 204;
}

const NO_TARGET = { method: "", targetStart: -1, targetEnd: -1 } as const;
const END_OF_LINE = Buffer.from(" HTTP/1.1\r\n");

interface HeadPlan {
  /** What the first line is made of when the target in the table's bytes is to stand in it; otherwise "". */
  readonly method: string;
  readonly targetStart: number;
  readonly targetEnd: number;
  /** The first line, unless it is made of that or copied from `rawLine` on. */
  readonly line: string;
  readonly rawLine: number;
  readonly table: FieldTable;
  readonly headers: HttpHeaders | null;
  readonly dropped: number;
  /** What says how the body is framed, and the proxy's other fields: whole lines. Mostly empty, so never put together. */
  readonly framing: string;
  readonly lines: string;
}

function framingLines(body: ResponseFraming): string {
  if (body === "none" || body === "until-close") return "";
  return body === "unknown" ? CHUNKED_LINE : `Content-Length: ${body}\r\n`;
}

/** Bytes of what is said of a body at most: a length has 16 digits. */
const MOST_FRAMING = 40;
const LENGTH_NAME = Buffer.from("Content-Length: ");

/** The same as `framingLines`, of which there is mostly a length to be written; of short ones no text is made. */
function writeFraming(slab: Buffer, start: number, body: ResponseFraming): number {
  if (typeof body !== "number" || body > MOST_SMALL) {
    const lines = framingLines(body);
    return lines === "" ? start : start + slab.write(lines, start, "latin1");
  }
  const at = copyPiece(LENGTH_NAME, 0, LENGTH_NAME.length, slab, start) + digitsOf(body);
  let rest = body;
  let digit = at;
  do {
    const tenth = (rest / 10) | 0;
    slab[--digit] = ZERO + rest - 10 * tenth;
    rest = tenth;
  } while (rest > 0);
  return writeEnd(slab, at);
}

const ZERO = 0x30;
const MOST_SMALL = 2 ** 31 - 1;

function digitsOf(value: number): number {
  let digits = 1;
  for (let most = 10; value >= most; most *= 10) digits++;
  return digits;
}

function writeHead(output: Output, owner: OutputOwner, plan: HeadPlan): void {
  const { line, framing, lines, headers, table, rawLine } = plan;
  const ours = line.length + framing.length + lines.length + END.length;
  const made = plan.method === "" ? 0 : lineSize(plan);
  output.reserve(owner, ours + made + receivedSize(table, rawLine) + ownSize(headers));
  const { slab } = output;
  let at = output.at;
  if (made > 0) at = writeLine(slab, at, plan);
  if (line !== "") at += slab.write(line, at, "latin1");
  at = writeFields(slab, at, table, rawLine, headers, plan.dropped);
  if (framing !== "") at += slab.write(framing, at, "latin1");
  if (lines !== "") at += slab.write(lines, at, "latin1");
  output.at = writeEnd(slab, at);
}

function writeEnd(slab: Buffer, at: number): number {
  slab[at] = END[0];
  slab[at + 1] = END[1];
  return at + END.length;
}

function ownSize(headers: HttpHeaders | null): number {
  return headers === null ? 0 : headers.ownBytes;
}

function lineSize({ method, targetStart, targetEnd }: HeadPlan): number {
  return method.length + 1 + targetEnd - targetStart + END_OF_LINE.length;
}

function writeLine(slab: Buffer, start: number, { method, table, targetStart, targetEnd }: HeadPlan): number {
  let at = writeLatin1(slab, start, method);
  slab[at++] = SPACE;
  at = copyPiece(table.bytes, targetStart, targetEnd, slab, at);
  return copyPiece(END_OF_LINE, 0, END_OF_LINE.length, slab, at);
}

/** The fields of a head: those that were received, as far as they stay, and those that were added. */
function writeFields(
  slab: Buffer,
  start: number,
  table: FieldTable,
  rawLine: number,
  headers: HttpHeaders | null,
  dropped: number,
): number {
  const changes = headers === null ? null : headers.changes;
  let at = copyReceived(slab, start, table, rawLine, changes, dropped);
  if (headers === null || headers.added === null) return at;
  for (const field of headers.added) if (!isDropped(dropped, field.key.id)) at = writeOwn(slab, at, field);
  return at;
}

/** Copies the received fields in as few runs as the left out and changed ones allow. */
function copyReceived(
  slab: Buffer,
  start: number,
  { bytes, offsets, count, fieldsEnd }: FieldTable,
  rawLine: number,
  changes: HttpHeaders["changes"],
  dropped: number,
): number {
  let at = start;
  let run = rawLine;
  for (let i = 0, slot = 0; i < count; i++, slot += FIELD_STRIDE) {
    const change = changes === null ? undefined : changes[i];
    const nameStart = offsets[slot + NAME_START]!;
    if (change === undefined && !isDropped(dropped, offsets[slot + FIELD_ID]!)) {
      if (run < 0) run = nameStart;
      continue;
    }
    if (run >= 0) at += bytes.copy(slab, at, run, nameStart);
    run = -1;
    if (change !== undefined && change !== null && !isDropped(dropped, change.key.id))
      at = writeOwn(slab, at, change);
  }
  if (run >= 0) at += bytes.copy(slab, at, run, fieldsEnd);
  return at;
}

/** Bytes of the received head that may be copied. */
function receivedSize({ count, offsets, fieldsEnd }: FieldTable, rawLine: number): number {
  if (rawLine >= 0) return fieldsEnd - rawLine;
  return count === 0 ? 0 : fieldsEnd - offsets[NAME_START]!;
}

function writeOwn(slab: Buffer, start: number, { name, value }: OwnField): number {
  let at = writeLatin1(slab, start, name);
  slab[at] = COLON;
  slab[at + 1] = SPACE;
  at = writeLatin1(slab, at + 2, value);
  return writeEnd(slab, at);
}

function isDropped(dropped: number, id: number): boolean {
  return ((dropped >>> id) & 1) !== 0;
}
