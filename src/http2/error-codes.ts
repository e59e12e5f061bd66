/** Why a stream or a connection is ended (RFC 9113 §7). */
export const Http2Error = {
  NoError: 0x0,
  ProtocolError: 0x1,
  InternalError: 0x2,
  FlowControlError: 0x3,
  SettingsTimeout: 0x4,
  StreamClosed: 0x5,
  FrameSizeError: 0x6,
  RefusedStream: 0x7,
  Cancel: 0x8,
  CompressionError: 0x9,
  ConnectError: 0xa,
  EnhanceYourCalm: 0xb,
  InadequateSecurity: 0xc,
  Http11Required: 0xd,
} as const;

export type Http2Error = (typeof Http2Error)[keyof typeof Http2Error];

const NAMES = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
] as const;

/** The name of a code as the RFC spells it; codes that nobody registered, which a peer may send, come as hexadecimal numbers. */
export function nameOfHttp2Error(code: number): string {
  return NAMES[code] ?? `0x${code.toString(16)}`;
}

/** Why a server's error is one: it reset the stream of a request, with this code. */
export class Http2StreamReset {
  readonly code: number;

  constructor(code: number) {
    this.code = code;
  }

  toString(): string {
    return `RST_STREAM with ${nameOfHttp2Error(this.code)}`;
  }
}
