import { Http2Error } from "./error-codes.ts";
import { type FrameProblem, findFrameProblem, headersPrefix } from "./frame-rules.ts";
import type { FrameSink } from "./frame-sink.ts";
import {
  DEFAULT_FRAME_SIZE,
  FRAME_HEAD,
  FrameFlag,
  FrameType,
  readUint31,
  readUint32,
  SETTING_SIZE,
} from "./frames.ts";
import { HeaderBlock } from "./header-block.ts";
import { CLIENT_PREFACE } from "./preface.ts";

const State = {
  Preface: 0,
  FrameHead: 1,
  PadLength: 2,
  Data: 3,
  HeadersPrefix: 4,
  Fragment: 5,
  Settings: 6,
  Payload: 7,
  Skip: 8,
  Stopped: 9,
} as const;

/**
 * Bytes that are kept of a payload that comes in pieces. The ones with a meaning are shorter, but for the explanation in a
 * GOAWAY, which is cut, and a PRIORITY_UPDATE, which is ignored when it is longer.
 */
const KEPT_PAYLOAD = 64;

export interface FrameLimits {
  /** Bytes of a frame's payload, as announced in SETTINGS_MAX_FRAME_SIZE. */
  readonly frameSize: number;
  /** Bytes of a header block before it is decoded. */
  readonly blockBytes: number;
  /** CONTINUATION frames that one header block may need. */
  readonly continuations: number;
}

export const DEFAULT_FRAME_LIMITS: FrameLimits = {
  frameSize: DEFAULT_FRAME_SIZE,
  blockBytes: 64 * 1024,
  continuations: 16,
};

/**
 * Reads HTTP/2 frames (RFC 9113 §4, §6) from bytes in any pieces:
 *
 *     Preface ─▶ FrameHead ─┬─ DATA ─────────▶ [PadLength] ─▶ Data ─────┬─▶ [Skip padding] ─┐
 *                   ▲       ├─ HEADERS ──▶ [HeadersPrefix] ─▶ Fragment ─┤                   │
 *                   │       ├─ CONTINUATION ────────────────▶ Fragment ─┘                   │
 *                   │       ├─ SETTINGS ────────────────────▶ Settings                      │
 *                   │       ├─ the others ──────────────────▶ Payload ──▶ [Skip the rest]   │
 *                   │       └─ ignored ─────────────────────▶ Skip                          │
 *                   └───────────────────────────────────────────────────────────────────────┘
 *
 * DATA is handed on as it comes, also a part of a frame; a header block that lies in one piece is handed on where it lies.
 * All else that is cut by the end of a piece is gathered, in a few bytes or up to the limit of header blocks. Once a rule
 * is broken that ends the connection, nothing else is read.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #frameSize: number;
  readonly #block: HeaderBlock;
  readonly #isServer: boolean;
  #state: number;
  /** No SETTINGS came yet, which must be the first frame (RFC 9113 §3.4). */
  #isFirst = true;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  /** Of the payload, what the state is about to read. */
  #left = 0;
  #padding = 0;
  /** What HEADERS said of the stream; CONTINUATION has no such flag. */
  #endsStream = false;
  /** What came of a frame's head, a setting or a short payload; the preface's bytes are only counted. */
  readonly #kept: Buffer = Buffer.allocUnsafe(KEPT_PAYLOAD);
  #keptLength = 0;

  /** @param role ours; a server is sent the client's preface first */
  constructor(role: "server" | "client", sink: FrameSink, limits: FrameLimits = DEFAULT_FRAME_LIMITS) {
    this.#sink = sink;
    this.#frameSize = limits.frameSize;
    this.#block = new HeaderBlock(limits.blockBytes, limits.continuations);
    this.#isServer = role === "server";
    this.#state = this.#isServer ? State.Preface : State.FrameHead;
  }

  /** True once nothing will be read any more. */
  get stopped(): boolean {
    return this.#state === State.Stopped;
  }

  /** True in the middle of a frame that isn't DATA, or of a header block: the rest of it should come at once. */
  get isGathering(): boolean {
    if (this.#block.isOpen || this.#keptLength > 0) return true;
    return this.#state !== State.FrameHead && this.#state !== State.Data && this.#state !== State.Stopped;
  }

  /** Reads all of `bytes[start..end)`, unless it is stopped. Not to be called from within the sink. */
  read(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && this.#state !== State.Stopped) at = this.#step(bytes, at, end);
  }

  /** Nothing else is told to the sink, also of the bytes that are being read. */
  stop(): void {
    this.#state = State.Stopped;
    this.#block.clear();
  }

  /** Reads something, and returns where it came to. */
  #step(bytes: Buffer, at: number, end: number): number {
    switch (this.#state) {
      case State.FrameHead:
        return this.#frameHead(bytes, at, end);
      case State.Data:
        return this.#data(bytes, at, end);
      case State.Fragment:
        return this.#fragment(bytes, at, end);
      case State.Payload:
        return this.#payload(bytes, at, end);
      case State.Settings:
        return this.#settings(bytes, at, end);
      case State.Skip:
        return this.#skip(at, end);
      case State.PadLength:
        return this.#padLength(bytes, at);
      case State.HeadersPrefix:
        return this.#headersPrefix(bytes, at, end);
      default:
        return this.#preface(bytes, at, end);
    }
  }

  #preface(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && this.#keptLength < CLIENT_PREFACE.length) {
      if (bytes[at++] === CLIENT_PREFACE[this.#keptLength++]) continue;
      return this.#fail(at, Http2Error.ProtocolError, "The client's connection preface is another one");
    }
    if (this.#keptLength === CLIENT_PREFACE.length) {
      this.#keptLength = 0;
      this.#state = State.FrameHead;
    }
    return at;
  }

  // ── the head of a frame ────────────────────────────────────────────────────────────────────────────────────────

  #frameHead(bytes: Buffer, at: number, end: number): number {
    if (this.#keptLength === 0 && end - at >= FRAME_HEAD) {
      this.#begin(bytes, at);
      return this.#followHead(bytes, at + FRAME_HEAD, end);
    }
    const stop = this.#keep(bytes, at, end, FRAME_HEAD);
    if (this.#keptLength === FRAME_HEAD) {
      this.#keptLength = 0;
      this.#begin(this.#kept, 0);
    }
    return stop;
  }

  /** What comes most often is read at once; that saves a tenth of the time of a small frame. */
  #followHead(bytes: Buffer, at: number, end: number): number {
    if (at === end) return at;
    if (this.#state === State.Data) return this.#data(bytes, at, end);
    return this.#state === State.Fragment ? this.#fragment(bytes, at, end) : at;
  }

  #begin(bytes: Buffer, at: number): void {
    const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    const type = bytes[at + 3]!;
    const flags = bytes[at + 4]!;
    const streamId = readUint31(bytes, at + 5);
    const problem = this.#findProblem(type, flags, length, streamId);
    this.#type = type;
    this.#flags = flags;
    this.#streamId = streamId;
    this.#left = length;
    this.#padding = 0;
    if (problem !== null) this.#refuse(problem, length);
    else this.#enter(type, length);
  }

  /** Whether this frame may stand here at all, may be so long, and is one by its head. */
  #findProblem(type: number, flags: number, length: number, streamId: number): FrameProblem | null {
    if (length > this.#frameSize) return TOO_LONG;
    if (this.#block.isOpen) {
      return type === FrameType.Continuation && streamId === this.#streamId ? null : INTERLEAVED;
    }
    if (this.#isFirst) {
      if (type !== FrameType.Settings || (flags & FrameFlag.Ack) !== 0) return NO_SETTINGS_FIRST;
      this.#isFirst = false;
    }
    return findFrameProblem(type, flags, length, streamId);
  }

  #refuse(problem: FrameProblem, length: number): void {
    if (problem.scope === "connection") {
      this.#fail(0, problem.code, problem.message);
      return;
    }
    this.#skipNext(length);
    this.#sink.onStreamError(this.#streamId, problem.code, problem.message);
  }

  #enter(type: number, length: number): void {
    switch (type) {
      case FrameType.Data:
        if ((this.#flags & FrameFlag.Padded) !== 0) this.#state = State.PadLength;
        else this.#beginData(0);
        return;
      case FrameType.Headers:
        this.#endsStream = (this.#flags & FrameFlag.EndStream) !== 0;
        if ((this.#flags & FrameFlag.EndHeaders) === 0) this.#block.open();
        if (headersPrefix(this.#flags) !== 0) this.#state = State.HeadersPrefix;
        else this.#beginFragment();
        return;
      case FrameType.Continuation:
        if (this.#block.countContinuation()) this.#beginFragment();
        else this.#fail(0, Http2Error.EnhanceYourCalm, "A header block in too many frames");
        return;
      case FrameType.Settings:
        this.#beginSettings();
        return;
      case FrameType.ResetStream:
      case FrameType.WindowUpdate:
      case FrameType.Ping:
      case FrameType.Goaway:
      case FrameType.Priority:
        this.#state = State.Payload;
        return;
      case FrameType.PriorityUpdate:
        this.#beginPriorityUpdate(length);
        return;
      default:
        this.#ignore(length);
    }
  }

  // ── DATA (§6.1) ────────────────────────────────────────────────────────────────────────────────────────────────

  #padLength(bytes: Buffer, at: number): number {
    const padding = bytes[at]!;
    if (padding >= this.#left)
      return this.#fail(at, Http2Error.ProtocolError, "DATA with more padding than payload");
    this.#beginData(padding + 1);
    return at + 1;
  }

  /** @param overhead padding, with the byte of its length */
  #beginData(overhead: number): void {
    const length = this.#left;
    this.#left = length - overhead;
    this.#padding = overhead === 0 ? 0 : overhead - 1;
    this.#state = State.Data;
    this.#sink.onDataStart(this.#streamId, length, overhead);
    this.#endDataIfWhole();
  }

  #data(bytes: Buffer, at: number, end: number): number {
    const stop = Math.min(end, at + this.#left);
    this.#left -= stop - at;
    this.#sink.onData(bytes, at, stop);
    this.#endDataIfWhole();
    return stop;
  }

  /** The sink hears of the end before padding has come: nothing else depends on that. */
  #endDataIfWhole(): void {
    if (this.#left > 0 || this.#state !== State.Data) return;
    this.#skipNext(this.#padding);
    this.#sink.onDataEnd((this.#flags & FrameFlag.EndStream) !== 0);
  }

  // ── HEADERS and CONTINUATION (§6.2, §6.10) ─────────────────────────────────────────────────────────────────────

  #headersPrefix(bytes: Buffer, at: number, end: number): number {
    const size = headersPrefix(this.#flags);
    const stop = this.#keep(bytes, at, end, size);
    if (this.#keptLength < size) return stop;
    this.#keptLength = 0;
    const isPadded = (this.#flags & FrameFlag.Padded) !== 0;
    const padding = isPadded ? this.#kept[0]! : 0;
    if (size + padding > this.#left) {
      return this.#fail(stop, Http2Error.ProtocolError, "HEADERS with more padding than payload");
    }
    if ((this.#flags & FrameFlag.Priority) !== 0 && this.#dependsOnItself(this.#kept, isPadded ? 1 : 0)) {
      return this.#fail(stop, Http2Error.ProtocolError, SELF_DEPENDENCY);
    }
    this.#left -= size + padding;
    this.#padding = padding;
    this.#beginFragment();
    return stop;
  }

  /**
   * Priorities of RFC 7540 are read past, but a stream that depends on itself was an error there and is none that a working
   * peer makes.
   */
  #dependsOnItself(bytes: Buffer, at: number): boolean {
    return readUint31(bytes, at) === this.#streamId;
  }

  /** A block that would get too long is refused before any of this frame is kept. */
  #beginFragment(): void {
    if (!this.#block.hasRoom(this.#left)) {
      this.#fail(0, Http2Error.EnhanceYourCalm, "A header block over the limit");
      return;
    }
    this.#state = State.Fragment;
    if (this.#left === 0) this.#endFragment();
  }

  /** Most blocks are all of one frame, in one piece. */
  #fragment(bytes: Buffer, at: number, end: number): number {
    const isWhole = end - at >= this.#left;
    if (isWhole && this.#block.length === 0 && (this.#flags & FrameFlag.EndHeaders) !== 0) {
      const stop = at + this.#left;
      this.#endBlock(bytes, at, stop);
      return stop;
    }
    const stop = isWhole ? at + this.#left : end;
    this.#left -= stop - at;
    this.#block.append(bytes, at, stop);
    if (isWhole) this.#endFragment();
    return stop;
  }

  #endFragment(): void {
    if ((this.#flags & FrameFlag.EndHeaders) === 0) this.#skipNext(this.#padding);
    else this.#endBlock(this.#block.bytes, 0, this.#block.length);
  }

  #endBlock(bytes: Buffer, start: number, end: number): void {
    if (this.#block.isOpen || this.#block.length > 0) this.#block.clear();
    this.#skipNext(this.#padding);
    this.#sink.onHeaders(this.#streamId, bytes, start, end, this.#endsStream);
  }

  // ── SETTINGS (§6.5) ────────────────────────────────────────────────────────────────────────────────────────────

  #beginSettings(): void {
    this.#state = State.Settings;
    if ((this.#flags & FrameFlag.Ack) !== 0) {
      this.#state = State.FrameHead;
      this.#sink.onSettingsAck();
    } else if (this.#left === 0) {
      this.#endSettings();
    }
  }

  #settings(bytes: Buffer, at: number, end: number): number {
    if (this.#keptLength === 0 && end - at >= SETTING_SIZE) {
      this.#setting(bytes, at);
      return at + SETTING_SIZE;
    }
    const stop = this.#keep(bytes, at, end, SETTING_SIZE);
    if (this.#keptLength === SETTING_SIZE) {
      this.#keptLength = 0;
      this.#setting(this.#kept, 0);
    }
    return stop;
  }

  #setting(bytes: Buffer, at: number): void {
    this.#left -= SETTING_SIZE;
    this.#sink.onSetting((bytes[at]! << 8) | bytes[at + 1]!, readUint32(bytes, at + 2));
    if (this.#left === 0 && this.#state === State.Settings) this.#endSettings();
  }

  #endSettings(): void {
    this.#state = State.FrameHead;
    this.#sink.onSettingsEnd();
  }

  // ── short payloads ─────────────────────────────────────────────────────────────────────────────────────────────

  #payload(bytes: Buffer, at: number, end: number): number {
    const size = Math.min(this.#left, KEPT_PAYLOAD);
    if (this.#keptLength === 0 && end - at >= size) {
      this.#finishPayload(bytes, at, size);
      return at + size;
    }
    const stop = this.#keep(bytes, at, end, size);
    if (this.#keptLength === size) {
      this.#keptLength = 0;
      this.#finishPayload(this.#kept, 0, size);
    }
    return stop;
  }

  #finishPayload(bytes: Buffer, at: number, size: number): void {
    this.#skipNext(this.#left - size);
    const streamId = this.#streamId;
    switch (this.#type) {
      case FrameType.WindowUpdate:
        this.#windowUpdate(streamId, readUint31(bytes, at));
        return;
      case FrameType.ResetStream:
        this.#sink.onReset(streamId, readUint32(bytes, at));
        return;
      case FrameType.Ping:
        if ((this.#flags & FrameFlag.Ack) !== 0) this.#sink.onPingAck(bytes, at);
        else this.#sink.onPing(bytes, at);
        return;
      case FrameType.Goaway:
        this.#sink.onGoaway(readUint31(bytes, at), readUint32(bytes, at + 4), bytes, at + 8, at + size);
        return;
      case FrameType.Priority:
        if (this.#dependsOnItself(bytes, at)) this.#fail(0, Http2Error.ProtocolError, SELF_DEPENDENCY);
        else this.#sink.onIgnoredFrame(FrameType.Priority, streamId, size);
        return;
      default:
        this.#priorityUpdate(readUint31(bytes, at), bytes, at + 4, at + size);
    }
  }

  /** An increment of 0 ends its stream, or the connection when it is the connection's (§6.9). */
  #windowUpdate(streamId: number, increment: number): void {
    if (increment > 0) this.#sink.onWindowUpdate(streamId, increment);
    else if (streamId === 0) this.#fail(0, Http2Error.ProtocolError, NO_INCREMENT);
    else this.#sink.onStreamError(streamId, Http2Error.ProtocolError, NO_INCREMENT);
  }

  /** Only clients send it (RFC 9218 §7.1). */
  #beginPriorityUpdate(length: number): void {
    if (!this.#isServer) this.#fail(0, Http2Error.ProtocolError, "PRIORITY_UPDATE from a server");
    else if (length > KEPT_PAYLOAD) this.#ignore(length);
    else this.#state = State.Payload;
  }

  #priorityUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId !== 0) this.#sink.onPriorityUpdate(streamId, bytes, start, end);
    else this.#fail(0, Http2Error.ProtocolError, "PRIORITY_UPDATE for stream 0");
  }

  #ignore(length: number): void {
    this.#skipNext(length);
    this.#sink.onIgnoredFrame(this.#type, this.#streamId, length);
  }

  // ── all of them ────────────────────────────────────────────────────────────────────────────────────────────────

  #skip(at: number, end: number): number {
    const stop = Math.min(end, at + this.#left);
    this.#skipNext(this.#left - (stop - at));
    return stop;
  }

  /** The rest of this frame is of no interest; what may follow then is the next one. */
  #skipNext(length: number): void {
    this.#left = length;
    this.#state = length > 0 ? State.Skip : State.FrameHead;
  }

  /** Gathers up to `size` bytes. */
  #keep(bytes: Buffer, at: number, end: number, size: number): number {
    const stop = Math.min(end, at + size - this.#keptLength);
    for (let from = at; from < stop; from++) this.#kept[this.#keptLength++] = bytes[from]!;
    return stop;
  }

  /** Ends the reading; returns `at` for callers that have to return a place. */
  #fail(at: number, code: Http2Error, message: string): number {
    this.stop();
    this.#sink.onConnectionError(code, message);
    return at;
  }
}

const SELF_DEPENDENCY = "A stream that depends on itself";
const NO_INCREMENT = "WINDOW_UPDATE of 0";

/**
 * For DATA it could be the stream's error alone (§4.2), but a peer that doesn't keep to the size it was told, or to the one that
 * everybody takes, is no peer to go on with.
 */
const TOO_LONG: FrameProblem = {
  scope: "connection",
  code: Http2Error.FrameSizeError,
  message: "A frame over the size that was announced",
};
const INTERLEAVED: FrameProblem = {
  scope: "connection",
  code: Http2Error.ProtocolError,
  message: "Another frame in the middle of a header block",
};
const NO_SETTINGS_FIRST: FrameProblem = {
  scope: "connection",
  code: Http2Error.ProtocolError,
  message: "The first frame is no SETTINGS",
};
