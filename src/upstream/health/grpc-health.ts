/*
 * The messages of the standard health service (grpc.health.v1.Health/Check), each in gRPC's frame:
 *
 *     0 | length, 4 bytes | message            message: field 1 of the request is the service's name, of the response its
 *     └ 1: compressed                          status; both are protobuf, and what has its default value isn't sent
 */

export const HEALTH_CHECK_PATH = "/grpc.health.v1.Health/Check";

/** By number. */
export const SERVING_STATUSES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"] as const;

export const SERVING = 1;

const FRAME_HEAD = 5;

/** Protobuf's wire types, the lowest three bits of a field's tag; the two of groups are long out of use. */
const VARINT = 0;
const FIXED_64 = 1;
const BYTES = 2;
const FIXED_32 = 5;

const STATUS_TAG = (1 << 3) | VARINT;
const SERVICE_TAG = (1 << 3) | BYTES;

/** The framed request. @param service its full name; "": the server as a whole */
export function encodeHealthRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message =
    name.length === 0 ? name : Buffer.from([SERVICE_TAG, ...encodeVarint(name.length), ...name]);
  const head = Buffer.alloc(FRAME_HEAD);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/**
 * The status in a framed response; null when that is none. Fields that aren't known are passed over.
 */
export function decodeHealthResponse(frame: Buffer): number | null {
  if (frame.length < FRAME_HEAD || frame[0] !== 0) return null;
  if (frame.readUInt32BE(1) !== frame.length - FRAME_HEAD) return null;
  const reader = new FieldReader(frame, FRAME_HEAD);
  let status = 0;
  while (!reader.isAtEnd) {
    const tag = reader.readVarint();
    // Of a field that comes twice the last one counts.
    if (tag === STATUS_TAG) status = reader.readVarint();
    else reader.skip(tag & 7);
  }
  return reader.isBroken ? null : status;
}

function encodeVarint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...encodeVarint(value >>> 7)];
}

/** Reads a message field by field. Once it is broken it is at its end. */
class FieldReader {
  readonly #bytes: Buffer;
  #offset: number;
  isBroken = false;

  constructor(bytes: Buffer, offset: number) {
    this.#bytes = bytes;
    this.#offset = offset;
  }

  get isAtEnd(): boolean {
    return this.isBroken || this.#offset === this.#bytes.length;
  }

  /** Larger ones than a number holds come out wrong, which nothing here has to tell from another wrong one. */
  readVarint(): number {
    let value = 0;
    for (let scale = 1, length = 1; length <= 10; scale *= 0x80, length++) {
      const byte = this.#bytes[this.#offset++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    this.isBroken = true;
    return 0;
  }

  skip(wireType: number): void {
    // Reading the length moves the offset. One past the end breaks the message at the next field, which isn't there.
    const length = this.#lengthOf(wireType);
    this.#offset += length;
  }

  /** What is still to skip, once what says so is read. */
  #lengthOf(wireType: number): number {
    if (wireType === FIXED_64) return 8;
    if (wireType === FIXED_32) return 4;
    if (wireType === BYTES) return this.readVarint();
    if (wireType === VARINT) this.readVarint();
    else this.isBroken = true;
    return 0;
  }
}
