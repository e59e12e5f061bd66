import type { Http2Error } from "./error-codes.ts";

/**
 * Who hears what a `FrameReader` reads. Bytes are borrowed: valid until the call returns. A frame's length, stream and
 * flags keep the rules when it is told of; what a stream's state allows is for the sink to say (`stream-states.ts`).
 */
export interface FrameSink {
  /**
   * DATA begins; its pieces follow, then its end, before anything else is told.
   * @param length all of its payload, which is what counts for flow control
   * @param padding how much of that is padding, with the byte that says so
   */
  onDataStart(streamId: number, length: number, padding: number): void;
  /** A piece of the DATA that began, never empty. */
  onData(bytes: Buffer, start: number, end: number): void;
  onDataEnd(isEndStream: boolean): void;
  /** A whole header block, however many frames it came in. It must be decoded even if nobody wants it. */
  onHeaders(streamId: number, bytes: Buffer, start: number, end: number, isEndStream: boolean): void;
  onReset(streamId: number, code: number): void;
  /** One setting; not looked at yet, also unknown ones. */
  onSetting(id: number, value: number): void;
  /** The SETTINGS frame is over, and is to be acknowledged. */
  onSettingsEnd(): void;
  onSettingsAck(): void;
  /** `PING_SIZE` bytes from `start` on. */
  onPing(bytes: Buffer, start: number): void;
  onPingAck(bytes: Buffer, start: number): void;
  /** The bytes are the beginning of the peer's explanation. */
  onGoaway(lastStreamId: number, code: number, bytes: Buffer, start: number, end: number): void;
  /** @param streamId 0 for the connection's window */
  onWindowUpdate(streamId: number, increment: number): void;
  /** A client's new priority for a stream (RFC 9218 §7.1): the bytes are a value of the field `priority`. */
  onPriorityUpdate(streamId: number, bytes: Buffer, start: number, end: number): void;
  /** A frame that is well-formed and means nothing to us: PRIORITY, or of an unknown type. Told when it begins. */
  onIgnoredFrame(type: number, streamId: number, length: number): void;
  /** A frame breaks a rule in a way that concerns its stream alone. The stream may be idle; then it is the connection's problem after all. */
  onStreamError(streamId: number, code: Http2Error, message: string): void;
  /** The connection must end; nothing else will be read. Told once. */
  onConnectionError(code: Http2Error, message: string): void;
}
