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
import { skipFieldContent, wordsOf } from "./field-content.ts";
import { type HeadLimits, type HeadProblem, ScanOutcome } from "./head-limits.ts";
import { LastHead } from "./last-head.ts";

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COMMA = 0x2c;
const ZERO = 0x30;
const COLON = 0x3a;

const HTTP = Buffer.from("HTTP/");
const ONE = 0x31;
const DOT = 0x2e;
const CLOSE = Buffer.from("close");
const KEEP_ALIVE = Buffer.from("keep-alive");
const UPGRADE = Buffer.from("upgrade");
const CHUNKED = Buffer.from("chunked");
const CODED = 1 << FieldId.TransferEncoding;

/** What `Connection` asks for; bits of `HeadScan.connection`. */
export const ConnectionOption = {
  Close: 1,
  KeepAlive: 2,
  Upgrade: 4,
  /** Names other fields, which are hop-by-hop then. */
  Names: 8,
} as const;

/**
 * Reads HTTP/1 heads in one strict pass over the bytes (RFC 9112 §2–5), recording offsets. It makes no string, and
 * remembers nothing of the heads before but a response that may come again; one scan serves a whole thread. Lines end in
 * CRLF only, there is no folding, no white space before a colon, and whatever two parsers could read in two ways is refused.
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
  readonly #takesAnyCoding: boolean;
  /** The response's head that all of this still describes. */
  #last: LastHead | null = null;

  /** @param takesAnyCoding of responses: see `ClientSettings.transferCodings` */
  constructor(limits: HeadLimits, takesAnyCoding: boolean = false) {
    this.#limits = limits;
    this.#takesAnyCoding = takesAnyCoding;
    this.offsets = new Int32Array(limits.fields * FIELD_STRIDE);
  }

  /** Reads a request head at `start`. */
  scanRequest(bytes: Buffer, start: number, end: number): ScanOutcome {
    const window = this.#begin(bytes, start, end);
    const outcome = this.#requestLine(bytes, start, window);
    if (outcome !== ScanOutcome.Complete) return this.#judge(outcome, end);
    return this.#judge(this.#fields(bytes, this.fieldsStart, window), end);
  }

  /** Reads a response head at `start`. */
  scanResponse(bytes: Buffer, start: number, end: number): ScanOutcome {
    const isHere = bytes === this.bytes && start === this.start;
    if (isHere && this.#last?.isAt(bytes, start, end) === true) return ScanOutcome.Complete;
    const window = this.#begin(bytes, start, end);
    const line = this.#statusLine(bytes, start, window);
    if (line !== ScanOutcome.Complete) return this.#judge(line, end);
    const outcome = this.#judge(this.#fields(bytes, this.fieldsStart, window), end);
    if (outcome !== ScanOutcome.Complete) return outcome;
    this.#last ??= new LastHead();
    this.#last.keep(bytes, start, this.end);
    return outcome;
  }

  /** Reads a trailer section at `start` (RFC 9112 §7.1.2). */
  scanTrailers(bytes: Buffer, start: number, end: number): ScanOutcome {
    const window = this.#begin(bytes, start, end);
    this.fieldsStart = start;
    return this.#judge(this.#fields(bytes, start, window), end);
  }

  /** Returns how far to look: bytes past the limit aren't looked at, so that what is refused doesn't depend on them. */
  #begin(bytes: Buffer, start: number, end: number): number {
    this.#last?.forget();
    this.bytes = bytes;
    this.start = start;
    this.count = 0;
    this.contentLength = -1;
    this.chunked = false;
    this.present = 0;
    this.connection = 0;
    return Math.min(end, start + this.#limits.bytes);
  }

  #refuse(problem: HeadProblem): ScanOutcome {
    this.problem = problem;
    return ScanOutcome.Refused;
  }

  /** A head that is incomplete within the limit is too large if there is more of it. */
  #judge(outcome: ScanOutcome, end: number): ScanOutcome {
    const isOver = outcome === ScanOutcome.Incomplete && end - this.start > this.#limits.bytes;
    return isOver ? this.#refuse("HEAD_TOO_LARGE") : outcome;
  }

  /** `method SP request-target SP HTTP-version CRLF` (RFC 9112 §3), single spaces only. */
  #requestLine(bytes: Buffer, start: number, end: number): ScanOutcome {
    const limit = start + this.#limits.requestLine;
    const stop = Math.min(end, limit);
    let at = start;
    while (at < stop && (CHARACTER_CLASS[bytes[at]!]! & TOKEN) !== 0) at++;
    if (at === stop) return this.#lineCut(at, end);
    if (bytes[at] !== SPACE || at === start) return this.#refuse("BAD_REQUEST_LINE");
    this.methodEnd = at;
    const targetStart = ++at;
    while (at < stop && (CHARACTER_CLASS[bytes[at]!]! & TARGET) !== 0) at++;
    if (at === stop) return this.#lineCut(at, end);
    if (bytes[at] !== SPACE || at === targetStart) return this.#refuse("BAD_REQUEST_LINE");
    this.targetStart = targetStart;
    this.targetEnd = at;
    return this.#versionAndLineEnd(bytes, at + 1, end);
  }

  /** The method and target go on past what there is, or past what may be. */
  #lineCut(at: number, end: number): ScanOutcome {
    return at < end ? this.#refuse("REQUEST_LINE_TOO_LONG") : ScanOutcome.Incomplete;
  }

  #versionAndLineEnd(bytes: Buffer, at: number, end: number): ScanOutcome {
    const outcome = this.#version(bytes, at, end);
    if (outcome !== ScanOutcome.Complete) return outcome;
    const lineEnd = at + 8;
    if (lineEnd < end && bytes[lineEnd] !== CR) return this.#refuse("BAD_REQUEST_LINE");
    if (lineEnd + 1 < end && bytes[lineEnd + 1] !== LF) return this.#refuse("BAD_LINE_END");
    if (lineEnd + 1 >= end) return ScanOutcome.Incomplete;
    this.fieldsStart = lineEnd + 2;
    return ScanOutcome.Complete;
  }

  /** `HTTP/1.` and a digit, in this case only (RFC 9112 §2.3); another major version is one we don't speak here. */
  #version(bytes: Buffer, at: number, end: number): ScanOutcome {
    for (let i = 0; i < HTTP.length; i++) {
      if (at + i >= end) return ScanOutcome.Incomplete;
      if (bytes[at + i] !== HTTP[i]) return this.#refuse("BAD_VERSION");
    }
    if (at + 5 >= end) return ScanOutcome.Incomplete;
    if (bytes[at + 5] !== ONE) {
      return this.#refuse(isDigit(bytes[at + 5]!) ? "UNSUPPORTED_VERSION" : "BAD_VERSION");
    }
    if (at + 6 < end && bytes[at + 6] !== DOT) return this.#refuse("BAD_VERSION");
    if (at + 7 >= end) return ScanOutcome.Incomplete;
    if (!isDigit(bytes[at + 7]!)) return this.#refuse("BAD_VERSION");
    this.minorVersion = bytes[at + 7]! - ZERO;
    return ScanOutcome.Complete;
  }

  /** `HTTP-version SP status-code SP [reason-phrase] CRLF` (RFC 9112 §4). */
  #statusLine(bytes: Buffer, start: number, end: number): ScanOutcome {
    const outcome = this.#version(bytes, start, end);
    if (outcome !== ScanOutcome.Complete) return outcome;
    const status = start + 9;
    if (status - 1 < end && bytes[status - 1] !== SPACE) return this.#refuse("BAD_VERSION");
    for (let at = status; at < Math.min(end, status + 3); at++) {
      if (!isDigit(bytes[at]!)) return this.#refuse("BAD_STATUS");
    }
    if (status + 3 >= end) return ScanOutcome.Incomplete;
    this.status = threeDigits(bytes, status);
    if (this.status < 100) return this.#refuse("BAD_STATUS");
    return this.#reason(bytes, status + 3, end);
  }

  /** The space before an empty reason is often left out; there is no second way to read that. */
  #reason(bytes: Buffer, afterStatus: number, end: number): ScanOutcome {
    let at = afterStatus;
    if (bytes[at] === SPACE) at++;
    else if (bytes[at] !== CR) return this.#refuse("BAD_STATUS");
    this.reasonStart = at;
    while (at < end && (CHARACTER_CLASS[bytes[at]!]! & FIELD_VALUE) !== 0) at++;
    if (at < end && bytes[at] !== CR) return this.#refuse("BAD_STATUS");
    if (at + 1 < end && bytes[at + 1] !== LF) return this.#refuse("BAD_LINE_END");
    if (at + 1 >= end) return ScanOutcome.Incomplete;
    this.reasonEnd = at;
    this.fieldsStart = at + 2;
    return ScanOutcome.Complete;
  }

  /** Field lines up to and with the empty line (RFC 9112 §5). */
  #fields(bytes: Buffer, from: number, end: number): ScanOutcome {
    const { offsets } = this;
    const words = wordsOf(bytes);
    // With something else than a token at its end, no token goes past it; that needn't be asked for every byte.
    const isClosed = from < end && (CHARACTER_CLASS[bytes[end - 1]!]! & TOKEN) === 0;
    const capacity = offsets.length;
    let at = from;
    let slot = 0;
    for (;;) {
      if (at >= end) return ScanOutcome.Incomplete;
      if (bytes[at] === CR) break;
      if (slot === capacity) return this.#refuse("TOO_MANY_FIELDS");
      const nameStart = at;
      at = isClosed ? skipToken(bytes, at) : skipTokenUpTo(bytes, at, end);
      if (at >= end) return ScanOutcome.Incomplete;
      // Also catches obs-fold (a line that begins with white space) and white space before the colon.
      if (bytes[at] !== COLON || at === nameStart) return this.#refuse("BAD_FIELD_NAME");
      const nameEnd = at++;
      while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
      const valueStart = at;
      at = skipFieldContent(bytes, words, at, end);
      if (at >= end) return ScanOutcome.Incomplete;
      if (bytes[at] !== CR) return this.#refuse(bytes[at] === LF ? "BAD_LINE_END" : "BAD_FIELD_VALUE");
      if (at + 1 >= end) return ScanOutcome.Incomplete;
      if (bytes[at + 1] !== LF) return this.#refuse("BAD_LINE_END");
      let valueEnd = at;
      while (valueEnd > valueStart && (bytes[valueEnd - 1] === SPACE || bytes[valueEnd - 1] === TAB))
        valueEnd--;
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
    if (at + 1 >= end) return ScanOutcome.Incomplete;
    if (bytes[at + 1] !== LF) return this.#refuse("BAD_LINE_END");
    this.count = count;
    this.fieldsEnd = at;
    this.end = at + 2;
    if (this.contentLength >= 0 && (this.present & CODED) !== 0) return this.#refuse("LENGTH_AND_CHUNKED");
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
        return isRepeated
          ? this.#reject("BAD_TRANSFER_ENCODING")
          : this.#noteTransferEncoding(bytes, start, end);
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
    if (!isChunked && !this.#mayEndWithConnection(bytes, start, end))
      return this.#reject("BAD_TRANSFER_ENCODING");
    this.chunked = isChunked;
    if (!isChunked) this.connection |= ConnectionOption.Close;
    return true;
  }

  /**
   * Whether the end of the connection is that of a body that is coded like this (RFC 9112 §6.3, rule 4). Where `chunked` is part of
   * the value nobody knows which framing the server means.
   */
  #mayEndWithConnection(bytes: Buffer, start: number, end: number): boolean {
    return this.#takesAnyCoding && !bytes.toString("latin1", start, end).toLowerCase().includes("chunked");
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

function skipToken(bytes: Buffer, from: number): number {
  let at = from;
  while ((CHARACTER_CLASS[bytes[at]!]! & TOKEN) !== 0) at++;
  return at;
}

function skipTokenUpTo(bytes: Buffer, from: number, end: number): number {
  let at = from;
  while (at < end && (CHARACTER_CLASS[bytes[at]!]! & TOKEN) !== 0) at++;
  return at;
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

function isDigit(byte: number): boolean {
  return (CHARACTER_CLASS[byte]! & DIGIT) !== 0;
}

function threeDigits(bytes: Buffer, at: number): number {
  return (bytes[at]! - ZERO) * 100 + (bytes[at + 1]! - ZERO) * 10 + (bytes[at + 2]! - ZERO);
}
