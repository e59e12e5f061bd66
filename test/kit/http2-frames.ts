import assert from "node:assert/strict";
import { nameOfHttp2Error } from "../../src/http2/error-codes.ts";
import { DEFAULT_FRAME_LIMITS, type FrameLimits, FrameReader } from "../../src/http2/frame-reader.ts";
import type { FrameSink } from "../../src/http2/frame-sink.ts";
import { writeFrameHead } from "../../src/http2/frame-writer.ts";
import { FRAME_HEAD, FrameFlag, FrameType, PING_SIZE } from "../../src/http2/frames.ts";
import { CLIENT_PREFACE } from "../../src/http2/preface.ts";

/** A frame with any head and payload, also one that breaks the rules. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array | string = "",
): Buffer {
  const body = typeof payload === "string" ? Buffer.from(payload, "latin1") : payload;
  const head = Buffer.alloc(FRAME_HEAD);
  writeFrameHead(head, 0, body.length, type, flags, streamId);
  return Buffer.concat([head, body]);
}

export function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, i * 4);
  return bytes;
}

/** What a client says before anything else. */
export const CLIENT_START: Buffer = Buffer.concat([CLIENT_PREFACE, frame(FrameType.Settings, 0, 0)]);
/** What a server says before anything else. */
export const SERVER_START: Buffer = frame(FrameType.Settings, 0, 0);

export const ACK: number = FrameFlag.Ack;

/** Writes down what a reader tells, a line each; pieces of one DATA frame become one line, however it was cut. */
export class RecordingFrameSink implements FrameSink {
  readonly lines: string[] = [];
  #data: string | null = null;

  #note(line: string): void {
    assert.equal(this.#data, null, `${line} in the middle of DATA`);
    this.lines.push(line);
  }

  onDataStart(streamId: number, length: number, padding: number): void {
    this.#note(`data ${streamId} length ${length} padding ${padding}`);
    this.#data = "";
  }

  onData(bytes: Buffer, start: number, end: number): void {
    assert.ok(end > start, "an empty piece");
    assert.notEqual(this.#data, null, "a piece without a start");
    this.#data += bytes.toString("latin1", start, end);
  }

  onDataEnd(isEndStream: boolean): void {
    const text = this.#data;
    this.#data = null;
    this.#note(`  "${text}"${isEndStream ? " end" : ""}`);
  }

  onHeaders(streamId: number, bytes: Buffer, start: number, end: number, isEndStream: boolean): void {
    this.#note(`headers ${streamId} "${bytes.toString("latin1", start, end)}"${isEndStream ? " end" : ""}`);
  }

  onReset(streamId: number, code: number): void {
    this.#note(`reset ${streamId} ${nameOfHttp2Error(code)}`);
  }

  onSetting(id: number, value: number): void {
    this.#note(`setting ${id} ${value}`);
  }

  onSettingsEnd(): void {
    this.#note("settings end");
  }

  onSettingsAck(): void {
    this.#note("settings ack");
  }

  onPing(bytes: Buffer, start: number): void {
    this.#note(`ping ${bytes.toString("latin1", start, start + PING_SIZE)}`);
  }

  onPingAck(bytes: Buffer, start: number): void {
    this.#note(`ping ack ${bytes.toString("latin1", start, start + PING_SIZE)}`);
  }

  onGoaway(lastStreamId: number, code: number, bytes: Buffer, start: number, end: number): void {
    this.#note(`goaway ${lastStreamId} ${nameOfHttp2Error(code)} "${bytes.toString("latin1", start, end)}"`);
  }

  onWindowUpdate(streamId: number, increment: number): void {
    this.#note(`window ${streamId} +${increment}`);
  }

  onPriorityUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    this.#note(`priority update ${streamId} "${bytes.toString("latin1", start, end)}"`);
  }

  onIgnoredFrame(type: number, streamId: number, length: number): void {
    this.#note(`ignored ${type} on ${streamId}, ${length}`);
  }

  onStreamError(streamId: number, code: number, message: string): void {
    assert.ok(message.length > 0);
    this.#note(`stream error ${streamId} ${nameOfHttp2Error(code)}`);
  }

  onConnectionError(code: number, message: string): void {
    assert.ok(message.length > 0);
    this.#note(`connection error ${nameOfHttp2Error(code)}`);
  }

  /** What came of a DATA frame that isn't over. */
  get unfinishedData(): string | null {
    return this.#data;
  }
}

/**
 * What a reader tells of these pieces. Each lies in the middle of a slab whose other bytes are none of its business, and which is
 * overwritten as soon as it was read.
 */
export function readPieces(
  role: "server" | "client",
  pieces: readonly Buffer[],
  limits: FrameLimits = DEFAULT_FRAME_LIMITS,
): string[] {
  const sink = new RecordingFrameSink();
  const reader = new FrameReader(role, sink, limits);
  for (const piece of pieces) {
    const slab = Buffer.alloc(piece.length + 32, 0x01);
    piece.copy(slab, 16);
    reader.read(slab, 16, 16 + piece.length);
    slab.fill(0xee);
  }
  return sink.unfinishedData === null ? sink.lines : [...sink.lines, `  "${sink.unfinishedData}`];
}

/** Asserts what is read of `bytes` in one piece, byte by byte, and in two pieces cut anywhere. */
export function assertReads(
  role: "server" | "client",
  bytes: Buffer,
  expected: readonly string[],
  limits?: FrameLimits,
): void {
  assert.deepEqual(readPieces(role, [bytes], limits), expected);
  const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
  assert.deepEqual(readPieces(role, single, limits), expected, "byte by byte");
  for (let cut = 1; cut < bytes.length; cut++) {
    const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)];
    assert.deepEqual(readPieces(role, pieces, limits), expected, `cut at ${cut}`);
  }
}

/** Asserts what a server reads of frames that follow what a client says first. */
export function assertServerReads(frames: readonly Buffer[], expected: readonly string[]): void {
  assertReads("server", Buffer.concat([CLIENT_START, ...frames]), ["settings end", ...expected]);
}

/** Asserts that a frame ends the connection: nothing that follows is told. */
export function assertEnds(bad: Buffer, code: string): void {
  assertServerReads([bad, frame(FrameType.Ping, 0, 0, "12345678")], [`connection error ${code}`]);
}
