import { Http2Error } from "./error-codes.ts";
import { FrameFlag, FrameType, PING_SIZE, SETTING_SIZE } from "./frames.ts";

/** A rule that a frame breaks, and whether that ends its stream or the whole connection (RFC 9113 §5.4). */
export interface FrameProblem {
  readonly scope: "stream" | "connection";
  readonly code: Http2Error;
  readonly message: string;
}

function connectionProblem(code: Http2Error, message: string): FrameProblem {
  return { scope: "connection", code, message };
}

const { ProtocolError, FrameSizeError } = Http2Error;

const DATA_WITHOUT_STREAM = connectionProblem(ProtocolError, "DATA on stream 0");
const HEADERS_WITHOUT_STREAM = connectionProblem(ProtocolError, "HEADERS on stream 0");
const PRIORITY_WITHOUT_STREAM = connectionProblem(ProtocolError, "PRIORITY on stream 0");
const RESET_WITHOUT_STREAM = connectionProblem(ProtocolError, "RST_STREAM on stream 0");
const SETTINGS_ON_STREAM = connectionProblem(ProtocolError, "SETTINGS on a stream");
const PING_ON_STREAM = connectionProblem(ProtocolError, "PING on a stream");
const GOAWAY_ON_STREAM = connectionProblem(ProtocolError, "GOAWAY on a stream");
const PRIORITY_UPDATE_ON_STREAM = connectionProblem(ProtocolError, "PRIORITY_UPDATE on a stream");
const STRAY_CONTINUATION = connectionProblem(ProtocolError, "CONTINUATION without HEADERS before it");
const PUSH = connectionProblem(ProtocolError, "PUSH_PROMISE, though push is off");
const SHORT_PADDED = connectionProblem(FrameSizeError, "A padded frame without room for its pad length");
const SHORT_HEADERS = connectionProblem(FrameSizeError, "HEADERS without room for its priority");
const RESET_SIZE = connectionProblem(FrameSizeError, "RST_STREAM of another length than 4");
const SETTINGS_SIZE = connectionProblem(FrameSizeError, "SETTINGS whose length is no multiple of 6");
const SETTINGS_ACK_SIZE = connectionProblem(FrameSizeError, "An acknowledgement of SETTINGS with a payload");
const PING_LENGTH = connectionProblem(FrameSizeError, "PING of another length than 8");
const GOAWAY_SIZE = connectionProblem(FrameSizeError, "GOAWAY shorter than 8");
const WINDOW_UPDATE_SIZE = connectionProblem(FrameSizeError, "WINDOW_UPDATE of another length than 4");
const PRIORITY_UPDATE_SIZE = connectionProblem(FrameSizeError, "PRIORITY_UPDATE shorter than 4");
/** The only length that is wrong for one stream alone (RFC 9113 §6.3). */
const PRIORITY_SIZE: FrameProblem = {
  scope: "stream",
  code: FrameSizeError,
  message: "PRIORITY of another length than 5",
};

/**
 * What is wrong with a frame by its head alone: its stream, its length, its type (RFC 9113 §6); null when nothing is.
 * Frames of a header block are in order already, and none is longer than we take.
 */
export function findFrameProblem(
  type: number,
  flags: number,
  length: number,
  streamId: number,
): FrameProblem | null {
  switch (type) {
    case FrameType.Data:
      if (streamId === 0) return DATA_WITHOUT_STREAM;
      return (flags & FrameFlag.Padded) !== 0 && length === 0 ? SHORT_PADDED : null;
    case FrameType.Headers:
      return streamId === 0 ? HEADERS_WITHOUT_STREAM : findHeadersProblem(flags, length);
    case FrameType.WindowUpdate:
      return length === 4 ? null : WINDOW_UPDATE_SIZE;
    case FrameType.ResetStream:
      if (streamId === 0) return RESET_WITHOUT_STREAM;
      return length === 4 ? null : RESET_SIZE;
    case FrameType.Settings:
      return streamId === 0 ? findSettingsProblem(flags, length) : SETTINGS_ON_STREAM;
    case FrameType.Ping:
      if (streamId !== 0) return PING_ON_STREAM;
      return length === PING_SIZE ? null : PING_LENGTH;
    default:
      return findRareProblem(type, length, streamId);
  }
}

function findHeadersProblem(flags: number, length: number): FrameProblem | null {
  if ((flags & FrameFlag.Padded) !== 0 && length === 0) return SHORT_PADDED;
  return length < headersPrefix(flags) ? SHORT_HEADERS : null;
}

function findSettingsProblem(flags: number, length: number): FrameProblem | null {
  if ((flags & FrameFlag.Ack) !== 0) return length === 0 ? null : SETTINGS_ACK_SIZE;
  return length % SETTING_SIZE === 0 ? null : SETTINGS_SIZE;
}

function findRareProblem(type: number, length: number, streamId: number): FrameProblem | null {
  switch (type) {
    case FrameType.Priority:
      if (streamId === 0) return PRIORITY_WITHOUT_STREAM;
      return length === 5 ? null : PRIORITY_SIZE;
    case FrameType.PushPromise:
      return PUSH;
    case FrameType.Goaway:
      if (streamId !== 0) return GOAWAY_ON_STREAM;
      return length < 8 ? GOAWAY_SIZE : null;
    case FrameType.Continuation:
      return STRAY_CONTINUATION;
    case FrameType.PriorityUpdate:
      if (streamId !== 0) return PRIORITY_UPDATE_ON_STREAM;
      return length < 4 ? PRIORITY_UPDATE_SIZE : null;
    default:
      // Types that nobody here knows are ignored (RFC 9113 §4.1), ALTSVC and ORIGIN among them: we need neither.
      return null;
  }
}

/** Bytes before the header block in the payload of HEADERS: a pad length, and a priority that is read past. */
export function headersPrefix(flags: number): number {
  return ((flags & FrameFlag.Padded) !== 0 ? 1 : 0) + ((flags & FrameFlag.Priority) !== 0 ? 5 : 0);
}
