import { holdMore } from "../base/held-bytes.ts";
import { CHARACTER_CLASS, FIELD_VALUE, HEX, HEX_VALUE } from "../http/characters.ts";
import { type HeadLimits, ScanOutcome } from "./head-limits.ts";
import { HeadScan } from "./head-scan.ts";

const LF = 0x0a;
const CR = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;
const SEMICOLON = 0x3b;

/** Hex digits of a chunk size: 13 of them stay below 2^53. */
const MAX_SIZE_DIGITS = 13;

const State = {
  SizeStart: 0,
  Size: 1,
  SizeBlank: 2,
  Extension: 3,
  SizeLineFeed: 4,
  Data: 5,
  DataCarriageReturn: 6,
  DataLineFeed: 7,
  TrailerSection: 8,
  Done: 9,
} as const;

export interface ChunkedLimits {
  /** Bytes of chunk extensions in one body: they carry nothing that anybody uses, and a flood of them costs CPU. */
  readonly extensionBytes: number;
  /** Of the trailer section. */
  readonly trailers: HeadLimits;
}

export const DEFAULT_CHUNKED_LIMITS: ChunkedLimits = {
  extensionBytes: 4096,
  trailers: { requestLine: 0, bytes: 16 * 1024, fields: 64 },
};

/**
 * Decodes the chunked coding (RFC 9112 §7.1):
 *
 *     SizeStart → Size → [Blank] → [Extension] → LF → Data → CR → LF ─┐
 *         ▲                                       │ size 0            │
 *         └───────────────────────────────────────┼───────────────────┘
 *                                                 ▼
 *                                          TrailerSection → Done
 *
 * `advance` goes at most as far as one piece of data, so that the caller can stop between pieces.
 */
export class ChunkedDecoder {
  /** The piece of data that the last `advance` found; empty when the two are equal. */
  dataStart = 0;
  dataEnd = 0;
  #state: number = State.SizeStart;
  #left = 0;
  #digits = 0;
  #extensionBytes = 0;
  /** The trailer section so far, when it came in several pieces. */
  #pending: Buffer | null = null;
  #trailers: HeadScan | null = null;
  #outcome: ScanOutcome = ScanOutcome.Incomplete;
  readonly #limits: ChunkedLimits;

  constructor(limits: ChunkedLimits) {
    this.#limits = limits;
  }

  reset(): void {
    this.#state = State.SizeStart;
    this.#extensionBytes = 0;
    this.#pending = null;
    this.#trailers = null;
    this.dataStart = 0;
    this.dataEnd = 0;
  }

  get done(): boolean {
    return this.#state === State.Done;
  }

  /** The trailer fields, borrowed as the bytes are; null when there are none. */
  trailers(): HeadScan | null {
    return this.#trailers !== null && this.#trailers.count > 0 ? this.#trailers : null;
  }

  /** Reads on from `at`; returns where it stopped, or -1 when the coding is malformed. */
  advance(bytes: Buffer, at: number, end: number): number {
    this.dataStart = this.dataEnd = 0;
    let from = at;
    while (from < end && from >= 0) {
      if (this.#state === State.Data) return this.#data(from, end);
      if (this.#state === State.TrailerSection) return this.#trailerSection(bytes, from, end);
      if (this.#state === State.Done) return from;
      from = this.#step(bytes[from]!) ? from + 1 : -1;
    }
    return from;
  }

  /** One byte of a chunk's frame; false when it is out of place. */
  #step(byte: number): boolean {
    switch (this.#state) {
      case State.SizeStart:
        this.#left = 0;
        this.#digits = 0;
        return this.#sizeDigit(byte);
      case State.Size:
        return (CHARACTER_CLASS[byte]! & HEX) !== 0 ? this.#sizeDigit(byte) : this.#afterSize(byte);
      case State.SizeBlank:
        return byte === SPACE || byte === TAB
          ? this.#countExtension()
          : byte === SEMICOLON && this.#afterSize(byte);
      case State.Extension:
        return this.#extension(byte);
      case State.SizeLineFeed:
        return this.#move(byte, LF, this.#left === 0 ? State.TrailerSection : State.Data);
      case State.DataCarriageReturn:
        return this.#move(byte, CR, State.DataLineFeed);
      default:
        return this.#move(byte, LF, State.SizeStart);
    }
  }

  #move(byte: number, expected: number, next: number): boolean {
    if (byte !== expected) return false;
    this.#state = next;
    return true;
  }

  #sizeDigit(byte: number): boolean {
    if ((CHARACTER_CLASS[byte]! & HEX) === 0 || ++this.#digits > MAX_SIZE_DIGITS) return false;
    this.#left = this.#left * 16 + HEX_VALUE[byte]!;
    this.#state = State.Size;
    return true;
  }

  /** White space is allowed before an extension only (RFC 9112 §7.1.1). */
  #afterSize(byte: number): boolean {
    if (byte === CR) this.#state = State.SizeLineFeed;
    else if (byte === SEMICOLON) this.#state = State.Extension;
    else if (byte === SPACE || byte === TAB) this.#state = State.SizeBlank;
    else return false;
    return true;
  }

  /** Read past, never forwarded. A bare LF in here is how "TERM.EXT" smuggling works; it isn't field content. */
  #extension(byte: number): boolean {
    if (byte === CR) {
      this.#state = State.SizeLineFeed;
      return true;
    }
    return (CHARACTER_CLASS[byte]! & FIELD_VALUE) !== 0 && this.#countExtension();
  }

  #countExtension(): boolean {
    return ++this.#extensionBytes <= this.#limits.extensionBytes;
  }

  #data(at: number, end: number): number {
    const stop = Math.min(end, at + this.#left);
    this.#left -= stop - at;
    this.dataStart = at;
    this.dataEnd = stop;
    if (this.#left === 0) this.#state = State.DataCarriageReturn;
    return stop;
  }

  #trailerSection(bytes: Buffer, at: number, end: number): number {
    if (this.#pending !== null) return this.#growTrailers(this.#pending, bytes, at, end);
    // Nearly every body ends without trailers.
    if (end - at >= 2 && bytes[at] === CR && bytes[at + 1] === LF) {
      this.#state = State.Done;
      return at + 2;
    }
    return this.#scanTrailers(bytes, at, end) ? this.#trailers!.end : this.#keepOrRefuse(bytes, at, end);
  }

  /** As with heads, pieces are read again only when a line ended or the limit was passed. */
  #growTrailers(pending: Buffer, bytes: Buffer, at: number, end: number): number {
    const before = pending.length;
    const section = holdMore(pending, bytes, at, end);
    this.#pending = section;
    if (section.length <= this.#limits.trailers.bytes && section.indexOf(LF, before) === -1) return end;
    if (!this.#scanTrailers(section, 0, section.length))
      return this.#outcome === ScanOutcome.Refused ? -1 : end;
    return at + this.#trailers!.end - before;
  }

  #keepOrRefuse(bytes: Buffer, at: number, end: number): number {
    if (this.#outcome === ScanOutcome.Refused) return -1;
    this.#pending = holdMore(null, bytes, at, end);
    return end;
  }

  /** True when the section is complete. */
  #scanTrailers(bytes: Buffer, start: number, end: number): boolean {
    this.#trailers ??= new HeadScan(this.#limits.trailers);
    this.#outcome = this.#trailers.scanTrailers(bytes, start, end);
    if (this.#outcome !== ScanOutcome.Complete) return false;
    this.#state = State.Done;
    this.#pending = null;
    return true;
  }
}
