import { nameOfHttp2Error } from "../../src/http2/error-codes.ts";
import type { FrameLimits } from "../../src/http2/frame-reader.ts";
import { CLIENT_PREFACE } from "../../src/http2/preface.ts";

/** One frame that lies before us, perhaps without all of its payload. */
interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly length: number;
  readonly payload: Buffer;
  readonly isWhole: boolean;
}

class Refused extends Error {}

const PROTOCOL_ERROR = 1;
const FRAME_SIZE_ERROR = 6;
const CALM = 11;

function refuse(code: number): never {
  throw new Refused(`connection error ${nameOfHttp2Error(code)}`);
}

function text(bytes: Buffer): string {
  return bytes.toString("latin1");
}

/** How much of a payload is looked at in frames that aren't DATA or header blocks. */
const KEPT = 64;

/**
 * Reads frames as one would who reads RFC 9113 from top to bottom, with all bytes before him and no hurry. It says the same lines
 * as `RecordingFrameSink`.
 */
export function readPlainly(role: "server" | "client", bytes: Buffer, limits: FrameLimits): string[] {
  const reader = new PlainFrameReader(role, limits);
  try {
    reader.readAll(bytes);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    reader.lines.push(error.message);
  }
  return reader.lines;
}

class PlainFrameReader {
  readonly lines: string[] = [];
  readonly #role: "server" | "client";
  readonly #limits: FrameLimits;
  /** The header block that isn't over. */
  #block: { id: number; end: boolean; bytes: Buffer; continuations: number } | null = null;

  constructor(role: "server" | "client", limits: FrameLimits) {
    this.#role = role;
    this.#limits = limits;
  }

  readAll(bytes: Buffer): void {
    let at = 0;
    if (this.#role === "server") {
      at = Math.min(bytes.length, CLIENT_PREFACE.length);
      if (!bytes.subarray(0, at).equals(CLIENT_PREFACE.subarray(0, at))) refuse(PROTOCOL_ERROR);
      if (at < CLIENT_PREFACE.length) return;
    }
    for (let isFirst = true; bytes.length - at >= 9; isFirst = false) {
      const length = bytes.readUIntBE(at, 3);
      const frame = {
        type: bytes[at + 3]!,
        flags: bytes[at + 4]!,
        streamId: bytes.readUInt32BE(at + 5) & 0x7fffffff,
        length,
        payload: bytes.subarray(at + 9, at + 9 + length),
        isWhole: bytes.length - at - 9 >= length,
      };
      this.#frame(frame, isFirst);
      at += 9 + length;
    }
  }

  #frame(frame: Frame, isFirst: boolean): void {
    const { type, flags, streamId, length } = frame;
    if (length > this.#limits.frameSize) refuse(FRAME_SIZE_ERROR);
    if (this.#block !== null && (type !== 9 || streamId !== this.#block.id)) refuse(PROTOCOL_ERROR);
    if (isFirst && (type !== 4 || (flags & 1) !== 0)) refuse(PROTOCOL_ERROR);
    if ([0, 1, 2, 3].includes(type) && streamId === 0) refuse(PROTOCOL_ERROR);
    if ([4, 6, 7, 16].includes(type) && streamId !== 0) refuse(PROTOCOL_ERROR);
    if (type === 0) this.#data(frame);
    else if (type === 1) this.#headers(frame);
    else if (type === 9) this.#continuation(frame);
    else if (type === 4) this.#settings(frame);
    else if (type === 5) refuse(PROTOCOL_ERROR);
    else this.#short(frame);
  }

  /** The payload's content, as far as it is there, and the bytes around it; null while not even the pad length is there. */
  #unpad(frame: Frame, extra: number): { content: Buffer; size: number; overhead: number } | null {
    const isPadded = (frame.flags & 8) !== 0;
    const prefix = (isPadded ? 1 : 0) + extra;
    if (frame.length < prefix) refuse(FRAME_SIZE_ERROR);
    if (frame.payload.length < prefix) return null;
    const padding = isPadded ? frame.payload[0]! : 0;
    if (prefix + padding > frame.length) refuse(PROTOCOL_ERROR);
    const size = frame.length - prefix - padding;
    return { content: frame.payload.subarray(prefix, prefix + size), size, overhead: prefix + padding };
  }

  #data(frame: Frame): void {
    const part = this.#unpad(frame, 0);
    if (part === null) return;
    this.lines.push(`data ${frame.streamId} length ${frame.length} padding ${part.overhead}`);
    const isWhole = part.content.length === part.size;
    const end = isWhole ? `"${(frame.flags & 1) !== 0 ? " end" : ""}` : "";
    this.lines.push(`  "${text(part.content)}${end}`);
  }

  #headers(frame: Frame): void {
    const hasPriority = (frame.flags & 0x20) !== 0;
    const isPadded = (frame.flags & 8) !== 0;
    const part = this.#unpad(frame, hasPriority ? 5 : 0);
    if (part === null) return;
    const dependsOn = hasPriority ? frame.payload.readUInt32BE(isPadded ? 1 : 0) & 0x7fffffff : 0;
    if (hasPriority && dependsOn === frame.streamId) refuse(PROTOCOL_ERROR);
    const { streamId, flags } = frame;
    this.#block = { id: streamId, end: (flags & 1) !== 0, bytes: Buffer.alloc(0), continuations: 0 };
    this.#fragment(part.content, part.size, flags);
  }

  #continuation(frame: Frame): void {
    if (this.#block === null) refuse(PROTOCOL_ERROR);
    if (++this.#block.continuations > this.#limits.continuations) refuse(CALM);
    this.#fragment(frame.payload, frame.length, frame.flags);
  }

  #fragment(content: Buffer, size: number, flags: number): void {
    const block = this.#block!;
    if (block.bytes.length + size > this.#limits.blockBytes) refuse(CALM);
    if (content.length < size) return;
    block.bytes = Buffer.concat([block.bytes, content]);
    if ((flags & 4) === 0) return;
    this.#block = null;
    this.lines.push(`headers ${block.id} "${text(block.bytes)}"${block.end ? " end" : ""}`);
  }

  #settings({ flags, length, payload, isWhole }: Frame): void {
    if ((flags & 1) !== 0) {
      if (length !== 0) refuse(FRAME_SIZE_ERROR);
      this.lines.push("settings ack");
      return;
    }
    if (length % 6 !== 0) refuse(FRAME_SIZE_ERROR);
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      this.lines.push(`setting ${payload.readUInt16BE(at)} ${payload.readUInt32BE(at + 2)}`);
    }
    if (isWhole) this.lines.push("settings end");
  }

  #short(frame: Frame): void {
    const { type, streamId, length, payload } = frame;
    if (type === 2 && length !== 5) {
      this.lines.push(`stream error ${streamId} FRAME_SIZE_ERROR`);
      return;
    }
    const least: Record<number, number> = { 3: 4, 6: 8, 7: 8, 8: 4, 16: 4 };
    const isFixed = [3, 6, 8].includes(type);
    if (length < (least[type] ?? 0) || (isFixed && length > least[type]!)) refuse(FRAME_SIZE_ERROR);
    if (type === 16 && this.#role === "client") refuse(PROTOCOL_ERROR);
    if (![2, 3, 6, 7, 8, 16].includes(type) || (type === 16 && length > KEPT)) {
      this.lines.push(`ignored ${type} on ${streamId}, ${length}`);
    } else if (payload.length >= Math.min(length, KEPT)) this.#meaning(frame);
  }

  #meaning({ type, flags, streamId, payload, length }: Frame): void {
    const first = type === 6 ? 0 : payload.readUInt32BE(0) & 0x7fffffff;
    if (type === 2) {
      if (first === streamId) refuse(PROTOCOL_ERROR);
      this.lines.push(`ignored 2 on ${streamId}, ${length}`);
    } else if (type === 3) this.lines.push(`reset ${streamId} ${nameOfHttp2Error(payload.readUInt32BE(0))}`);
    else if (type === 6) this.lines.push(`ping ${(flags & 1) !== 0 ? "ack " : ""}${text(payload)}`);
    else if (type === 7) {
      const code = nameOfHttp2Error(payload.readUInt32BE(4));
      this.lines.push(`goaway ${first} ${code} "${text(payload.subarray(8, KEPT))}"`);
    } else if (type === 8) {
      if (first === 0 && streamId === 0) refuse(PROTOCOL_ERROR);
      const isError = first === 0;
      this.lines.push(isError ? `stream error ${streamId} PROTOCOL_ERROR` : `window ${streamId} +${first}`);
    } else {
      if (first === 0) refuse(PROTOCOL_ERROR);
      this.lines.push(`priority update ${first} "${text(payload.subarray(4))}"`);
    }
  }
}
