import { FRAME_HEAD, FrameFlag, FrameType, PING_SIZE, SETTING_SIZE } from "./frames.ts";

/**
 * Writes frames (RFC 9113 §6) at `at` into a buffer that has room for them, and returns where what follows begins. Numbers
 * are the caller's to keep in range; what can't be written is never made here.
 */

/** Bytes of the frames without a payload of variable length. */
export const RESET_FRAME: number = FRAME_HEAD + 4;
export const WINDOW_UPDATE_FRAME: number = FRAME_HEAD + 4;
export const PING_FRAME: number = FRAME_HEAD + PING_SIZE;

/** The head of a frame; `length` bytes of payload are to follow. */
export function writeFrameHead(
  out: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): number {
  out[at] = length >>> 16;
  out[at + 1] = length >>> 8;
  out[at + 2] = length;
  out[at + 3] = type;
  out[at + 4] = flags;
  return writeUint32(out, at + 5, streamId);
}

function writeUint32(out: Buffer, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}

/** The head of DATA. Its payload is copied behind it or sent in a piece of its own. */
export function writeDataHead(
  out: Buffer,
  at: number,
  length: number,
  streamId: number,
  isEndStream: boolean,
): number {
  return writeFrameHead(out, at, length, FrameType.Data, isEndStream ? FrameFlag.EndStream : 0, streamId);
}

/** Bytes of the frames for a header block of this length. */
export function headersSize(blockLength: number, frameSize: number): number {
  return blockLength + FRAME_HEAD * Math.max(1, Math.ceil(blockLength / frameSize));
}

/**
 * Makes HEADERS of a header block that was encoded in place: it stands at `at + FRAME_HEAD … blockEnd`, and the buffer has
 * room for `headersSize` bytes from `at` on. Blocks over the frame size, which are rare, are moved apart for the heads of
 * CONTINUATION, the last one first.
 * @param frameSize the peer's SETTINGS_MAX_FRAME_SIZE
 */
export function closeHeaders(
  out: Buffer,
  at: number,
  blockEnd: number,
  streamId: number,
  isEndStream: boolean,
  frameSize: number,
): number {
  const blockStart = at + FRAME_HEAD;
  const length = blockEnd - blockStart;
  const flags = isEndStream ? FrameFlag.EndStream : 0;
  if (length <= frameSize) {
    writeFrameHead(out, at, length, FrameType.Headers, flags | FrameFlag.EndHeaders, streamId);
    return blockEnd;
  }
  const last = Math.ceil(length / frameSize) - 1;
  for (let i = last; i > 0; i--) {
    const from = blockStart + i * frameSize;
    const to = Math.min(blockEnd, from + frameSize);
    const head = from + (i - 1) * FRAME_HEAD;
    out.copyWithin(head + FRAME_HEAD, from, to);
    const isLast = i === last ? FrameFlag.EndHeaders : 0;
    writeFrameHead(out, head, to - from, FrameType.Continuation, isLast, streamId);
  }
  writeFrameHead(out, at, frameSize, FrameType.Headers, flags, streamId);
  return at + headersSize(length, frameSize);
}

/** Bytes of a SETTINGS frame with so many settings. */
export function settingsSize(count: number): number {
  return FRAME_HEAD + count * SETTING_SIZE;
}

export function writeSettings(
  out: Buffer,
  at: number,
  settings: readonly (readonly [id: number, value: number])[],
): number {
  let to = writeFrameHead(out, at, settings.length * SETTING_SIZE, FrameType.Settings, 0, 0);
  for (const [id, value] of settings) {
    out[to] = id >>> 8;
    out[to + 1] = id;
    to = writeUint32(out, to + 2, value);
  }
  return to;
}

/** Takes `FRAME_HEAD` bytes. */
export function writeSettingsAck(out: Buffer, at: number): number {
  return writeFrameHead(out, at, 0, FrameType.Settings, FrameFlag.Ack, 0);
}

/** Takes `PING_FRAME` bytes, of which the opaque ones are copied from `payload`. */
export function writePing(out: Buffer, at: number, payload: Buffer, start: number, isAck: boolean): number {
  const to = writeFrameHead(out, at, PING_SIZE, FrameType.Ping, isAck ? FrameFlag.Ack : 0, 0);
  payload.copy(out, to, start, start + PING_SIZE);
  return to + PING_SIZE;
}

/** Takes `WINDOW_UPDATE_FRAME` bytes. */
export function writeWindowUpdate(out: Buffer, at: number, streamId: number, increment: number): number {
  return writeUint32(out, writeFrameHead(out, at, 4, FrameType.WindowUpdate, 0, streamId), increment);
}

/** Takes `RESET_FRAME` bytes. */
export function writeReset(out: Buffer, at: number, streamId: number, code: number): number {
  return writeUint32(out, writeFrameHead(out, at, 4, FrameType.ResetStream, 0, streamId), code);
}

/** Bytes of a GOAWAY with this explanation. */
export function goawaySize(explanation: string): number {
  return FRAME_HEAD + 8 + explanation.length;
}

/** @param explanation ASCII, for people who look at the peer's log; empty for none */
export function writeGoaway(
  out: Buffer,
  at: number,
  lastStreamId: number,
  code: number,
  explanation: string,
): number {
  let to = writeFrameHead(out, at, 8 + explanation.length, FrameType.Goaway, 0, 0);
  to = writeUint32(out, to, lastStreamId);
  to = writeUint32(out, to, code);
  return to + out.write(explanation, to, "latin1");
}
