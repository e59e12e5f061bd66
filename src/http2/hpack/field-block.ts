import { latin1 } from "../../base/latin1.ts";
import { FieldId } from "../../http/field-names.ts";
import {
  FIELD_ID,
  FIELD_STRIDE,
  type FieldTable,
  NAME_END,
  NAME_START,
  VALUE_END,
  VALUE_START,
} from "../../http/field-table.ts";
import { joinCrumbs } from "./crumbs.ts";
import {
  FIELD_OVERHEAD,
  type FieldEntries,
  LINE_PUNCTUATION,
  LINE_START,
  MARK,
  NAME_LENGTH,
  VALUE_LENGTH,
} from "./entries.ts";
import {
  BAD_NAME,
  BAD_VALUE,
  COOKIE,
  GUARDED,
  LAST_PLAIN_KIND,
  LOOKED_AT,
  Pseudo,
  pseudoOf,
} from "./field-kinds.ts";
import { copyBytes, type Memory, viewOf } from "./memory.ts";

/** What a block of fields is; it decides which pseudo-header fields there must and may be. */
export const BlockKind = { Request: 0, Response: 1, Trailers: 2 } as const;

export type BlockKind = (typeof BlockKind)[keyof typeof BlockKind];

/** Bounds on a block of fields. */
export interface BlockLimits {
  /** Bytes of all fields as SETTINGS_MAX_HEADER_LIST_SIZE counts them: 32 more for each field (RFC 9113 §6.5.2). */
  readonly listSize: number;
  /** Number of regular fields. Crumbs of a cookie that follow each other count as one. */
  readonly fields: number;
}

const DEFAULT_BLOCK_LIMITS: BlockLimits = { listSize: 64 * 1024, fields: 128 };

/** Why a block was refused: it is malformed (RFC 9113 §8.1.1), or over a limit (the last two). */
export type FieldProblem =
  | "BAD_FIELD_NAME"
  | "BAD_FIELD_VALUE"
  | "BAD_PSEUDO_FIELD"
  | "MISSING_PSEUDO_FIELD"
  | "BAD_TARGET"
  | "BAD_HOST"
  | "BAD_CONTENT_LENGTH"
  | "HEAD_TOO_LARGE"
  | "TOO_MANY_FIELDS";

const METHOD = 1 << Pseudo.Method;
const SCHEME = 1 << Pseudo.Scheme;
const AUTHORITY = 1 << Pseudo.Authority;
const PATH = 1 << Pseudo.Path;
const PROTOCOL = 1 << Pseudo.Protocol;
const STATUS = 1 << Pseudo.Status;
/** By kind of block. */
const ALLOWED_PSEUDO = [METHOD | SCHEME | AUTHORITY | PATH | PROTOCOL, STATUS, 0] as const;

const HOST_LINE = Buffer.from("host: ");
const CONNECT = Buffer.from("CONNECT");
const OPTIONS = Buffer.from("OPTIONS");
const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;
const SPACE = 0x20;
const ZERO = 0x30;
const STAR = 0x2a;
const FIRST_ROOM = 4096;

/**
 * A decoded block of fields, written as the lines that they are in HTTP/1, so that nothing has to be parsed or made again
 * to send them on. One block serves a whole thread, one head after the other:
 *
 *     bytes:  | values of pseudo-header fields | host: (:authority) ⏎ | accept: … ⏎ | cookie: … ⏎ |
 *                                              ▲ fieldsStart                                      ▲ fieldsEnd
 *
 * - `:authority` comes back as a `host` line, the first of the regular fields.
 * - The crumbs of a cookie are joined to one line (RFC 9113 §8.2.3).
 * - Of a block that is refused nothing more is kept: `problem` says what was found first.
 *
 * Fields that were sent one after the other stand one after the other in the decoder's table, so that a head which is sent
 * again is a few runs of bytes: they are gathered, and copied when another begins.
 */
export class FieldBlock implements FieldTable, Memory {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_ROOM);
  view: DataView = viewOf(this.bytes);
  readonly offsets: Int32Array;
  count = 0;
  fieldsStart = 0;
  fieldsEnd = 0;
  /** Bit `1 << FieldId` for every known regular field that is there. */
  present = 0;
  /** Bit `1 << Pseudo` for every pseudo-header field that is there. */
  pseudo = 0;
  /** Value of `content-length`, -1 when absent. */
  contentLength = -1;
  /** Bytes as SETTINGS_MAX_HEADER_LIST_SIZE counts them. */
  listSize = 0;
  problem: FieldProblem | null = null;
  /** 1 for each field that was sent as never to be indexed, which we must then send in the same way (RFC 7541 §6.2.3). */
  readonly guarded: Buffer;
  /** False as long as there is no such field, which is the usual case. */
  hasGuarded = false;

  readonly #limits: BlockLimits;
  #kind: BlockKind = BlockKind.Request;
  /** Where the pseudo-header fields' values stand: start and end of each. */
  readonly ranges: Int32Array = new Int32Array(14);
  /** Where the next line goes. What is in the run stands before it, though not yet in `bytes`. */
  #end = 0;
  #run: Memory = this;
  #runStart = 0;
  #runEnd = 0;
  /** True once there are regular fields. */
  #isOpen = false;
  /** Index of the first and the last crumb, -1 when there is none. */
  #firstCrumb = -1;
  #lastCrumb = -1;

  constructor(limits: BlockLimits = DEFAULT_BLOCK_LIMITS) {
    this.#limits = limits;
    // The host comes before any limit is asked.
    this.offsets = new Int32Array((limits.fields + 1) * FIELD_STRIDE);
    this.guarded = Buffer.alloc(limits.fields + 1);
  }

  /** The value of a pseudo-header field, "" when it isn't there. */
  pseudoText(pseudo: Pseudo): string {
    if ((this.pseudo & (1 << pseudo)) === 0) return "";
    return latin1(this.bytes, this.ranges[pseudo * 2]!, this.ranges[pseudo * 2 + 1]!);
  }

  /** Where the value of a pseudo-header field that is there starts in the bytes. */
  pseudoStart(pseudo: Pseudo): number {
    return this.ranges[pseudo * 2]!;
  }

  pseudoEnd(pseudo: Pseudo): number {
    return this.ranges[pseudo * 2 + 1]!;
  }

  /** The status of a response. */
  get status(): number {
    return numberAt(this.bytes, this.pseudoStart(Pseudo.Status), this.pseudoEnd(Pseudo.Status));
  }

  /** For copies: nothing is in it any more, and there is room for so many bytes. */
  clearFor(bytes: number): void {
    this.problem = null;
    if (this.hasGuarded) this.guarded.fill(0);
    this.hasGuarded = false;
    this.#end = 0;
    this.#runStart = this.#runEnd = 0;
    this.#grow(bytes);
  }

  /** For decoders: a line with more bytes than this is over the limit. */
  get mostBytes(): number {
    return this.#limits.listSize;
  }

  /** For decoders: a block begins. */
  begin(kind: BlockKind): void {
    this.#kind = kind;
    this.count = 0;
    this.present = 0;
    this.pseudo = 0;
    this.contentLength = -1;
    this.listSize = 0;
    this.problem = null;
    if (this.hasGuarded) this.guarded.fill(0);
    this.hasGuarded = false;
    this.fieldsStart = 0;
    this.#end = 0;
    this.#runStart = this.#runEnd = 0;
    this.#isOpen = false;
    this.#firstCrumb = this.#lastCrumb = -1;
  }

  /** For decoders: the next line may be written at the returned place of `bytes`, where there is this room. */
  reserve(room: number): number {
    if (this.#runEnd > this.#runStart) this.#flush();
    this.#grow(room);
    return this.#end;
  }

  /** For decoders: adds a field of a table. */
  addEntry(table: FieldEntries, slot: number): void {
    const { entries } = table;
    const nameLength = entries[slot + NAME_LENGTH]!;
    const valueLength = entries[slot + VALUE_LENGTH]!;
    const kind = entries[slot + MARK]!;
    const start = entries[slot + LINE_START]!;
    if (this.problem !== null) return;
    const length = nameLength + valueLength + LINE_PUNCTUATION;
    if (kind > LAST_PLAIN_KIND) {
      const at = this.reserve(length);
      const pseudo = pseudoOf(kind);
      if (pseudo === Pseudo.None) {
        copyBytes(table, start, start + length, this, at);
        this.addLine(nameLength, valueLength, kind);
      } else if (this.#isWell(kind)) {
        const valueStart = start + nameLength + 2;
        copyBytes(table, valueStart, valueStart + valueLength, this, at);
        this.#addPseudo(pseudo, nameLength, at, valueLength);
      }
      return;
    }
    if (!this.#isOpen) this.#openFields(0);
    if (!this.#mayKeep(nameLength, valueLength)) return;
    if (table === this.#run && start === this.#runEnd) this.#runEnd += length;
    else {
      this.#flush();
      this.#run = table;
      this.#runStart = start;
      this.#runEnd = start + length;
    }
    this.#record(nameLength, valueLength, kind);
  }

  /** For decoders: adds the field whose line was written at the place that `reserve` told. */
  addLine(nameLength: number, valueLength: number, kind: number): void {
    if ((kind & GUARDED) === 0) this.#addLine(nameLength, valueLength, kind);
    else {
      this.#addLine(nameLength, valueLength, kind & ~GUARDED);
      // A crumb is guarded with the cookie that it was put to.
      if (this.count > 0 && pseudoOf(kind) === Pseudo.None) this.guarded[this.count - 1] = 1;
      this.hasGuarded = true;
    }
  }

  #addLine(nameLength: number, valueLength: number, kind: number): void {
    if (this.problem !== null || !this.#isWell(kind)) return;
    const pseudo = pseudoOf(kind);
    if (pseudo !== Pseudo.None) {
      this.#addPseudo(pseudo, nameLength, this.#end + nameLength + 2, valueLength);
      return;
    }
    if (!this.#isOpen) this.#openFields(nameLength + valueLength + LINE_PUNCTUATION);
    if (!this.#mayKeep(nameLength, valueLength)) return;
    if (kind === COOKIE) this.#addCrumb(nameLength, valueLength);
    else if (kind <= LAST_PLAIN_KIND || this.#look(kind, nameLength, valueLength)) {
      this.#record(nameLength, valueLength, kind & LAST_PLAIN_KIND);
    }
  }

  /** For decoders: a field that wasn't even decoded, so large is it. */
  addTooLarge(): void {
    this.#refuse("HEAD_TOO_LARGE");
  }

  /** For decoders: the block is complete. */
  finish(): void {
    if (this.problem === null && this.#kind !== BlockKind.Trailers) this.#checkPseudo();
    if (this.problem !== null) {
      this.#clear();
      return;
    }
    if (!this.#isOpen) this.#openFields(0);
    this.#flush();
    if (this.#lastCrumb > this.#firstCrumb) this.#end = this.#joinCrumbs();
    this.fieldsEnd = this.#end;
  }

  #clear(): void {
    this.count = 0;
    this.present = 0;
    this.pseudo = 0;
    this.contentLength = -1;
    this.fieldsStart = this.fieldsEnd = 0;
    this.#runStart = this.#runEnd = 0;
  }

  #refuse(problem: FieldProblem): false {
    this.problem ??= problem;
    return false;
  }

  #grow(room: number): void {
    const needed = this.#end + room;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(larger);
    this.bytes = larger;
    this.view = viewOf(larger);
  }

  /** Copies the run to where it belongs. */
  #flush(): void {
    const length = this.#runEnd - this.#runStart;
    if (length === 0) return;
    this.#grow(0);
    copyBytes(this.#run, this.#runStart, this.#runEnd, this, this.#end - length);
    this.#runStart = this.#runEnd = 0;
  }

  #isWell(kind: number): boolean {
    if ((kind & BAD_NAME) !== 0) return this.#refuse("BAD_FIELD_NAME");
    if ((kind & BAD_VALUE) === 0) return true;
    if (pseudoOf(kind) !== Pseudo.None) return this.#refuse("BAD_PSEUDO_FIELD");
    if ((kind & LOOKED_AT) === 0) return this.#refuse("BAD_FIELD_VALUE");
    return this.#refuse((kind & LAST_PLAIN_KIND) === FieldId.Host ? "BAD_HOST" : "BAD_CONTENT_LENGTH");
  }

  #mayKeep(nameLength: number, valueLength: number): boolean {
    this.listSize += nameLength + valueLength + FIELD_OVERHEAD;
    if (this.listSize > this.#limits.listSize) return this.#refuse("HEAD_TOO_LARGE");
    return this.count < this.#limits.fields || this.#refuse("TOO_MANY_FIELDS");
  }

  /** A field's line stands at the end, or in the run that will stand there. */
  #record(nameLength: number, valueLength: number, id: number): void {
    const { offsets } = this;
    const at = this.count * FIELD_STRIDE;
    const start = this.#end;
    const valueStart = start + nameLength + 2;
    offsets[at + NAME_START] = start;
    offsets[at + NAME_END] = start + nameLength;
    offsets[at + VALUE_START] = valueStart;
    offsets[at + VALUE_END] = valueStart + valueLength;
    offsets[at + FIELD_ID] = id;
    this.present |= 1 << id;
    this.count++;
    this.#end = valueStart + valueLength + 2;
  }

  /** They come first, once each, and in the right kind of message (RFC 9113 §8.3). */
  #addPseudo(pseudo: Pseudo, nameLength: number, valueStart: number, valueLength: number): void {
    const bit = 1 << pseudo;
    const isMisplaced = this.#isOpen || (this.pseudo & bit) !== 0;
    if (isMisplaced || (ALLOWED_PSEUDO[this.#kind] & bit) === 0) {
      this.#refuse("BAD_PSEUDO_FIELD");
      return;
    }
    if (!this.#mayKeep(nameLength, valueLength)) return;
    this.pseudo |= bit;
    this.ranges[pseudo * 2] = valueStart;
    this.ranges[pseudo * 2 + 1] = this.#end = valueStart + valueLength;
  }

  /** The regular fields begin, with the host, before which the first of them makes way if it is written already. */
  #openFields(written: number): void {
    this.#isOpen = true;
    this.fieldsStart = this.#end;
    if ((this.pseudo & AUTHORITY) === 0) return;
    const from = this.pseudoStart(Pseudo.Authority);
    const size = this.pseudoEnd(Pseudo.Authority) - from;
    const length = HOST_LINE.length + size + 2;
    this.#grow(length + written);
    const { bytes } = this;
    const start = this.#end;
    if (written > 0) bytes.copyWithin(start + length, start, start + written);
    for (let i = 0; i < HOST_LINE.length; i++) bytes[start + i] = HOST_LINE[i]!;
    const valueStart = start + HOST_LINE.length;
    for (let i = 0; i < size; i++) bytes[valueStart + i] = bytes[from + i]!;
    bytes[valueStart + size] = CR;
    bytes[valueStart + size + 1] = LF;
    this.#record(HOST_LINE.length - 2, size, FieldId.Host);
  }

  /** Takes down what the whole head depends on; false when the field isn't to be kept. */
  #look(kind: number, nameLength: number, valueLength: number): boolean {
    if (this.#kind === BlockKind.Trailers) return true;
    const id = kind & LAST_PLAIN_KIND;
    const isRepeated = (this.present & (1 << id)) !== 0;
    const start = this.#end + nameLength + 2;
    const end = start + valueLength;
    if (id === FieldId.ContentLength) {
      if (isRepeated) return this.#refuse("BAD_CONTENT_LENGTH");
      this.contentLength = numberAt(this.bytes, start, end);
      return true;
    }
    if (!isRepeated) return true;
    const isTwice = (this.pseudo & AUTHORITY) === 0 || !this.#isAuthority(start, end);
    return isTwice && this.#refuse("BAD_HOST");
  }

  /** A `host` beside `:authority` must say the same, and is left out then (RFC 9113 §8.3.1). */
  #isAuthority(start: number, end: number): boolean {
    const authority = this.pseudoStart(Pseudo.Authority);
    if (end - start !== this.pseudoEnd(Pseudo.Authority) - authority) return false;
    for (let i = 0; i < end - start; i++) {
      if (lowered(this.bytes[start + i]!) !== lowered(this.bytes[authority + i]!)) return false;
    }
    return true;
  }

  /** A crumb that follows another is put to it at once; others wait for the block's end. */
  #addCrumb(nameLength: number, valueLength: number): void {
    const { bytes, offsets } = this;
    const lastField = this.count - 1;
    if (this.#lastCrumb !== lastField || lastField < 0) {
      if (this.#firstCrumb < 0) this.#firstCrumb = this.count;
      this.#lastCrumb = this.count;
      this.#record(nameLength, valueLength, FieldId.Other);
      return;
    }
    const end = this.#end;
    const valueStart = end + nameLength + 2;
    bytes[end - 2] = SEMICOLON;
    bytes[end - 1] = SPACE;
    bytes.copyWithin(end, valueStart, valueStart + valueLength + 2);
    offsets[lastField * FIELD_STRIDE + VALUE_END] = end + valueLength;
    this.#end = end + valueLength + 2;
  }

  #joinCrumbs(): number {
    // All that there is, once more, is room enough for the joined line.
    this.#grow(this.#end - this.fieldsStart);
    // Fields change their places; one too many that is guarded does no harm.
    if (this.hasGuarded) this.guarded.fill(1, this.#firstCrumb, this.count);
    this.count = joinCrumbs(this.bytes, this.offsets, this.count, this.#firstCrumb);
    return this.offsets[(this.count - 1) * FIELD_STRIDE + VALUE_END]! + 2;
  }

  /** RFC 9113 §8.3.1, §8.3.2 and §8.5, RFC 8441 §4. */
  #checkPseudo(): void {
    const { pseudo } = this;
    if (this.#kind === BlockKind.Response) {
      if (pseudo === 0) this.#refuse("MISSING_PSEUDO_FIELD");
      return;
    }
    const isConnect = (pseudo & METHOD) !== 0 && this.#isMethod(CONNECT);
    if (isConnect && (pseudo & PROTOCOL) === 0) {
      if ((pseudo & (SCHEME | PATH)) !== 0) this.#refuse("BAD_PSEUDO_FIELD");
      else if ((pseudo & AUTHORITY) === 0) this.#refuse("MISSING_PSEUDO_FIELD");
      return;
    }
    if ((pseudo & PROTOCOL) !== 0 && !isConnect) this.#refuse("BAD_PSEUDO_FIELD");
    const required = METHOD | SCHEME | PATH | (isConnect ? AUTHORITY : 0);
    if ((pseudo & required) !== required) this.#refuse("MISSING_PSEUDO_FIELD");
    else if ((pseudo & AUTHORITY) === 0 && (this.present & (1 << FieldId.Host)) === 0)
      this.#refuse("BAD_HOST");
    else if (this.bytes[this.pseudoStart(Pseudo.Path)] === STAR && !this.#isMethod(OPTIONS))
      this.#refuse("BAD_TARGET");
  }

  #isMethod(method: Buffer): boolean {
    const start = this.pseudoStart(Pseudo.Method);
    if (this.pseudoEnd(Pseudo.Method) - start !== method.length) return false;
    for (let i = 0; i < method.length; i++) if (this.bytes[start + i] !== method[i]) return false;
    return true;
  }
}

function numberAt(bytes: Buffer, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 10 + (bytes[at]! - ZERO);
  return value;
}

function lowered(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}
