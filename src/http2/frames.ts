/** Types of frames (RFC 9113 §6, RFC 7838 §4, RFC 8336 §2, RFC 9218 §7.1). */
export const FrameType = {
  Data: 0x0,
  Headers: 0x1,
  Priority: 0x2,
  ResetStream: 0x3,
  Settings: 0x4,
  PushPromise: 0x5,
  Ping: 0x6,
  Goaway: 0x7,
  WindowUpdate: 0x8,
  Continuation: 0x9,
  AltSvc: 0xa,
  Origin: 0xc,
  PriorityUpdate: 0x10,
} as const;

/** Flags of frames; the same bit means different things for different types. */
export const FrameFlag = {
  EndStream: 0x01,
  Ack: 0x01,
  EndHeaders: 0x04,
  Padded: 0x08,
  Priority: 0x20,
} as const;

/** Bytes of a frame's head: length (24 bits), type, flags, a reserved bit and the stream's number (31 bits). */
export const FRAME_HEAD = 9;

/** The payload that every peer takes without being asked, which is also the least that SETTINGS_MAX_FRAME_SIZE can be. */
export const DEFAULT_FRAME_SIZE = 16_384;

/** The most that SETTINGS_MAX_FRAME_SIZE can be. */
export const LARGEST_FRAME_SIZE = 16_777_215;

/** The highest stream number, and the largest window and increment: 31 bits. */
export const MAX_31_BITS = 0x7fff_ffff;

/** Bytes of an opaque PING payload. */
export const PING_SIZE = 8;

/** Bytes of one setting: an id of 16 bits and a value of 32. */
export const SETTING_SIZE = 6;

/** Reads an unsigned number of 32 bits. */
export function readUint32(bytes: Buffer, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Reads 31 bits and drops the reserved one before them, which receivers must ignore. */
export function readUint31(bytes: Buffer, at: number): number {
  return ((bytes[at]! & 0x7f) << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
