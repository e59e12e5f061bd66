import { latin1 } from "../base/latin1.ts";
import { CHARACTER_CLASS, DIGIT, FIELD_VALUE, TARGET, TOKEN } from "../http/characters.ts";
import { equalsLowercase, FieldId, fieldIdAt } from "../http/field-names.ts";
import {
  FIELD_ID,
  FIELD_STRIDE,
  type FieldTable,
  NAME_END,
  NAME_START,
  VALUE_END,
  VALUE_START,
} from "../http/field-table.ts";
import { type HeadLimits, type HeadProblem, ScanOutcome } from "./head-limits.ts";

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COMMA = 0x2c;
const ZERO = 0x30;
const COLON = 0x3a;

const HTTP_1 = Buffer.from("HTTP/1.");
const CLOSE = Buffer.from("close");
const KEEP_ALIVE = Buffer.from("keep-alive");
const UPGRADE = Buffer.from("upgrade");
const CHUNKED = Buffer.from("chunked");

/** What `Connection` asks for; bits of `HeadScan.connection`. */
export const ConnectionOption = {
  Close: 1,
  KeepAlive: 2,
  Upgrade: 4,
  /** Names other fields, which are hop-by-hop then. */
  Names: 8,
} as const;

/**
 * Reads HTTP/1 heads in one strict pass over the bytes (RFC 9112 §2–5), recording offsets. It keeps no state between
 * heads and makes no string; one scan serves a whole thread. Lines end in CRLF only, there is no folding, no white space
 * before a colon, and whatever two parsers could read in two ways is refused.
 */
export class HeadScan implements FieldTable {
  bytes: Buffer = Buffer.alloc(0);
  readonly offsets: Int32Array;
  count = 0;
  fieldsEnd = 0;

  /** Where the head begins and where what follows it begins. */
  start = 0;
  end = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  /** Where the first field line begins. */
  fieldsStart = 0;
  /** 0 for HTTP/1.0, 1 for HTTP/1.1; higher ones are to be treated as 1. */
  minorVersion = 1;
  status = 0;
  reasonStart = 0;
  reasonEnd = 0;
  /** Value of Content-Length, -1 when absent. */
  contentLength = -1;
  chunked = false;
  /** Bit `1 << id` for every known field that is there. */
  present = 0;
  /** `ConnectionOption` bits. */
  connection = 0;
  /** Why the last scan was refused. */
  problem: HeadProblem = "BAD_HEAD";

  readonly #limits: HeadLimits;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
    this.offsets = new Int32Array(limits.fields * FIELD_STRIDE);
  }

  /** Reads a request head at `start`. */
  scanRequest(bytes: Buffer, start: number, end: number): ScanOutcome {
    this.#begin(bytes, start);
    const outcome = this.#requestLine(bytes, start, end);
    if (outcome !== ScanOutcome.Complete) return outcome;
    return this.#fields(bytes, this.fieldsStart, end);
  }

  /** Reads a response head at `start`. */
  scanResponse(bytes: Buffer, start: number, end: number): ScanOutcome {
    this.#begin(bytes, start);
    const outcome = this.#statusLine(bytes, start, end);
    if (outcome !== ScanOutcome.Complete) return outcome;
    return this.#fields(bytes, this.fieldsStart, end);
  }

  /** Reads a trailer section at `start` (RFC 9112 §7.1.2). */
  scanTrailers(bytes: Buffer, start: number, end: number): ScanOutcome {
    this.#begin(bytes, start);
    this.fieldsStart = start;
    return this.#fields(bytes, start, end);
  }

  #begin(bytes: Buffer, start: number): void {
    this.bytes = bytes;
    this.start = start;
    this.count = 0;
    this.contentLength = -1;
    this.chunked = false;
    this.present = 0;
    this.connection = 0;
  }

  #refuse(problem: HeadProblem): ScanOutcome {
    this.problem = problem;
    return ScanOutcome.Refused;
  }

  /** More bytes are needed, unless there are too many already. */
  #incomplete(end: number): ScanOutcome {
    if (end - this.start > this.#limits.bytes) return this.#refuse("HEAD_TOO_LARGE");
    return ScanOutcome.Incomplete;
  }

  /** `method SP request-target SP HTTP-version CRLF` (RFC 9112 §3), single spaces only. */
  #requestLine(bytes: Buffer, start: number, end: number): ScanOutcome {
    let at = start;
    while (at < end && (CHARACTER_CLASS[bytes[at]!]! & TOKEN) !== 0) at++;
    if (at < end && (bytes[at] !== SPACE || at === start)) return this.#refuse("BAD_REQUEST_LINE");
    this.methodEnd = at;
    const targetStart = at + 1;
    at = targetStart;
    while (at < end && (CHARACTER_CLASS[bytes[at]!]! & TARGET) !== 0) at++;
    if (at - start > this.#limits.requestLine) return this.#refuse("REQUEST_LINE_TOO_LONG");
    if (at < end && (bytes[at] !== SPACE || at === targetStart)) return this.#refuse("BAD_REQUEST_LINE");
    this.targetStart = targetStart;
    this.targetEnd = at;
    return this.#versionAndLineEnd(bytes, at + 1, end);
  }

  #versionAndLineEnd(bytes: Buffer, at: number, end: number): ScanOutcome {
    const available = Math.min(end - at, HTTP_1.length);
    for (let i = 0; i < available; i++) {
      if (bytes[at + i] !== HTTP_1[i]) return this.#refuse(this.#foreignVersion(bytes, at, end));
    }
    const digit = at + HTTP_1.length;
    if (digit < end && (CHARACTER_CLASS[bytes[digit]!]! & DIGIT) === 0) return this.#refuse("BAD_VERSION");
    if (digit + 1 < end && bytes[digit + 1] !== CR) return this.#refuse("BAD_REQUEST_LINE");
    if (digit + 2 < end && bytes[digit + 2] !== LF) return this.#refuse("BAD_LINE_END");
    if (digit + 2 >= end) return this.#incomplete(end);
    this.minorVersion = bytes[digit]! - ZERO;
    this.fieldsStart = digit + 3;
    return ScanOutcome.Complete;
  }

  /** `HTTP/2.0` is a version we don't speak here (505); anything else in its place is no HTTP (400). */
  #foreignVersion(bytes: Buffer, at: number, end: number): HeadProblem {
    const name = latin1(bytes, at, Math.min(end, at + 8));
    return /^HTTP\/[0-9]\.[0-9]$/.test(name) ? "UNSUPPORTED_VERSION" : "BAD_VERSION";
  }

  /** `HTTP-version SP status-code SP [reason-phrase] CRLF` (RFC 9112 §4). */
  #statusLine(bytes: Buffer, start: number, end: number): ScanOutcome {
    // The shortest one is `HTTP/1.1 200` and a line end.
    if (end - start < 14) return this.#shortStatusLine(bytes, start, end);
    for (let i = 0; i < HTTP_1.length; i++) if (bytes[start + i] !== HTTP_1[i]) return this.#refuse("BAD_VERSION");
    const minor = bytes[start + 7]!;
    if ((CHARACTER_CLASS[minor]! & DIGIT) === 0 || bytes[start + 8] !== SPACE) return this.#refuse("BAD_VERSION");
    this.minorVersion = minor - ZERO;
    this.status = threeDigits(bytes, start + 9);
    if (this.status < 100) return this.#refuse("BAD_STATUS");
    return this.#reason(bytes, start + 12, end);
  }

  #shortStatusLine(bytes: Buffer, start: number, end: number): ScanOutcome {
    for (let i = 0; start + i < end && i < HTTP_1.length; i++) {
      if (bytes[start + i] !== HTTP_1[i]) return this.#refuse("BAD_VERSION");
    }
    return ScanOutcome.Incomplete;
  }

  /** The space before an empty reason is often left out; there is no second way to read that. */
  #reason(bytes: Buffer, afterStatus: number, end: number): ScanOutcome {
    let at = afterStatus;
    if (bytes[at] === SPACE) at++;
    else if (bytes[at] !== CR) return this.#refuse("BAD_STATUS");
    this.reasonStart = at;
    while (at < end && (CHARACTER_CLASS[bytes[at]!]! & FIELD_VALUE) !== 0) at++;
    if (at - this.start > this.#limits.requestLine) return this.#refuse("HEAD_TOO_LARGE");
    if (at < end && bytes[at] !== CR) return this.#refuse("BAD_STATUS");
    if (at + 1 < end && bytes[at + 1] !== LF) return this.#refuse("BAD_LINE_END");
    if (at + 1 >= end) return this.#incomplete(end);
    this.reasonEnd = at;
    this.fieldsStart = at + 2;
    return ScanOutcome.Complete;
  }

  /** Field lines up to and with the empty line (RFC 9112 §5). */
  #fields(bytes: Buffer, from: number, end: number): ScanOutcome {
    const { offsets } = this;
    const capacity = offsets.length;
    let at = from;
    let slot = 0;
    for (;;) {
      if (at >= end) return this.#incomplete(end);
      if (bytes[at] === CR) break;
      if (slot === capacity) return this.#refuse("TOO_MANY_FIELDS");
      const nameStart = at;
      while (at < end && (CHARACTER_CLASS[bytes[at]!]! & TOKEN) !== 0) at++;
      if (at >= end) return this.#incomplete(end);
      // Also catches obs-fold (a line that begins with white space) and white space before the colon.
      if (bytes[at] !== COLON || at === nameStart) return this.#refuse("BAD_FIELD_NAME");
      const nameEnd = at++;
      while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
      const valueStart = at;
      while (at < end && (CHARACTER_CLASS[bytes[at]!]! & FIELD_VALUE) !== 0) at++;
      if (at >= end) return this.#incomplete(end);
      if (bytes[at] !== CR) return this.#refuse(bytes[at] === LF ? "BAD_LINE_END" : "BAD_FIELD_VALUE");
      if (at + 1 >= end) return this.#incomplete(end);
      if (bytes[at + 1] !== LF) return this.#refuse("BAD_LINE_END");
      let valueEnd = at;
      while (valueEnd > valueStart && (bytes[valueEnd - 1] === SPACE || bytes[valueEnd - 1] === TAB)) valueEnd--;
      at += 2;
      const id = fieldIdAt(bytes, nameStart, nameEnd);
      offsets[slot + NAME_START] = nameStart;
      offsets[slot + NAME_END] = nameEnd;
      offsets[slot + VALUE_START] = valueStart;
      offsets[slot + VALUE_END] = valueEnd;
      offsets[slot + FIELD_ID] = id;
      slot += FIELD_STRIDE;
      if (id !== FieldId.Other && !this.#note(id, bytes, valueStart, valueEnd)) return ScanOutcome.Refused;
    }
    return this.#finish(bytes, at, end, slot / FIELD_STRIDE);
  }

  #finish(bytes: Buffer, at: number, end: number, count: number): ScanOutcome {
    if (at + 1 >= end) return this.#incomplete(end);
    if (bytes[at + 1] !== LF) return this.#refuse("BAD_LINE_END");
    this.count = count;
    this.fieldsEnd = at;
    this.end = at + 2;
    if (this.end - this.start > this.#limits.bytes) return this.#refuse("HEAD_TOO_LARGE");
    if (this.contentLength >= 0 && this.chunked) return this.#refuse("LENGTH_AND_CHUNKED");
    return ScanOutcome.Complete;
  }

  /** Takes down what a known field says; false when it is refused. */
  #note(id: FieldId, bytes: Buffer, start: number, end: number): boolean {
    const bit = 1 << id;
    const isRepeated = (this.present & bit) !== 0;
    this.present |= bit;
    switch (id) {
      case FieldId.Host:
        return isRepeated ? this.#reject("SEVERAL_HOSTS") : true;
      case FieldId.ContentLength:
        return isRepeated ? this.#reject("BAD_CONTENT_LENGTH") : this.#noteContentLength(bytes, start, end);
      case FieldId.TransferEncoding:
        return isRepeated ? this.#reject("BAD_TRANSFER_ENCODING") : this.#noteTransferEncoding(bytes, start, end);
      case FieldId.Connection:
        this.#noteConnection(bytes, start, end);
        return true;
      default:
        return true;
    }
  }

  #reject(problem: HeadProblem): false {
    this.problem = problem;
    return false;
  }

  /** One field, digits only: a list or a second field, even of equal numbers, is how smuggling starts (RFC 9112 §6.3). */
  #noteContentLength(bytes: Buffer, start: number, end: number): boolean {
    const length = end - start;
    if (length === 0 || length > 15) return this.#reject("BAD_CONTENT_LENGTH");
    if (length > 1 && bytes[start] === ZERO) return this.#reject("BAD_CONTENT_LENGTH");
    let value = 0;
    for (let at = start; at < end; at++) {
      if ((CHARACTER_CLASS[bytes[at]!]! & DIGIT) === 0) return this.#reject("BAD_CONTENT_LENGTH");
      value = value * 10 + (bytes[at]! - ZERO);
    }
    this.contentLength = value;
    return true;
  }

  /** Only `chunked`, once, alone: other codings can't be framed, and a repeated one is an attack (RFC 9112 §6.1). */
  #noteTransferEncoding(bytes: Buffer, start: number, end: number): boolean {
    const isChunked = end - start === CHUNKED.length && equalsLowercase(bytes, start, CHUNKED);
    if (!isChunked) return this.#reject("BAD_TRANSFER_ENCODING");
    this.chunked = true;
    return true;
  }

  /** The comma-separated options of `Connection` (RFC 9110 §7.6.1). */
  #noteConnection(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      let stop = at;
      while (stop < end && bytes[stop] !== COMMA) stop++;
      let optionEnd = stop;
      while (at < optionEnd && isBlank(bytes[at]!)) at++;
      while (optionEnd > at && isBlank(bytes[optionEnd - 1]!)) optionEnd--;
      if (optionEnd > at) this.connection |= connectionOption(bytes, at, optionEnd);
      at = stop + 1;
    }
  }
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

function connectionOption(bytes: Buffer, start: number, end: number): number {
  switch (end - start) {
    case CLOSE.length:
      return equalsLowercase(bytes, start, CLOSE) ? ConnectionOption.Close : ConnectionOption.Names;
    case KEEP_ALIVE.length:
      return equalsLowercase(bytes, start, KEEP_ALIVE) ? ConnectionOption.KeepAlive : ConnectionOption.Names;
    case UPGRADE.length:
      return equalsLowercase(bytes, start, UPGRADE) ? ConnectionOption.Upgrade : ConnectionOption.Names;
    default:
      return ConnectionOption.Names;
  }
}

function threeDigits(bytes: Buffer, at: number): number {
  let value = 0;
  for (let i = at; i < at + 3; i++) {
    if ((CHARACTER_CLASS[bytes[i]!]! & DIGIT) === 0) return -1;
    value = value * 10 + (bytes[i]! - ZERO);
  }
  return value;
}
