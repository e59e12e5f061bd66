/** How a scan ended. */
export const ScanOutcome = {
  Complete: 0,
  /** Well so far; more bytes are needed. */
  Incomplete: 1,
  /** Against the rules or over a limit: `HeadScan.problem` says why. */
  Refused: 2,
} as const;

export type ScanOutcome = (typeof ScanOutcome)[keyof typeof ScanOutcome];

/** Bounds on a head. */
export interface HeadLimits {
  /** Bytes of a request's method and target. */
  readonly requestLine: number;
  /** Bytes of the whole head. */
  readonly bytes: number;
  /** Number of fields. */
  readonly fields: number;
}

export const DEFAULT_HEAD_LIMITS: HeadLimits = { requestLine: 16 * 1024, bytes: 64 * 1024, fields: 128 };

/** Why a request was refused by its head, with the status a client gets for it. */
export const HEAD_PROBLEMS = {
  BAD_HEAD: 400,
  BAD_REQUEST_LINE: 400,
  BAD_TARGET: 400,
  BAD_VERSION: 400,
  BAD_STATUS: 400,
  BAD_LINE_END: 400,
  BAD_FIELD_NAME: 400,
  BAD_FIELD_VALUE: 400,
  BAD_CONTENT_LENGTH: 400,
  BAD_TRANSFER_ENCODING: 400,
  BAD_EXPECT: 417,
  BAD_HOST: 400,
  SEVERAL_HOSTS: 400,
  LENGTH_AND_CHUNKED: 400,
  CHUNKED_IN_HTTP_1_0: 400,
  REQUEST_LINE_TOO_LONG: 414,
  HEAD_TOO_LARGE: 431,
  TOO_MANY_FIELDS: 431,
  BODY_IN_CONNECT: 400,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_VERSION: 505,
} as const;

export type HeadProblem = keyof typeof HEAD_PROBLEMS;
