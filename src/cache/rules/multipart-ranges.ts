import type { Random } from "../../base/random.ts";
import { type ByteRange, contentRange } from "./ranges.ts";

/** A part of a body, with what stands before it. */
export interface RangePart extends ByteRange {
  readonly head: string;
}

/**
 * Several ranges as one body (RFC 9110 §14.6), in pieces whose lengths are known before the first is sent:
 *
 *     head 1 │ bytes of range 1 │ head 2 │ bytes of range 2 │ … │ end
 */
export class MultipartRanges {
  readonly contentType: string;
  readonly parts: readonly RangePart[];
  /** What stands behind the last part. */
  readonly end: string;
  /** Bytes of all of it. */
  readonly length: number;

  /**
   * @param length of the stored body
   * @param contentType of the stored body; null without
   */
  constructor(ranges: readonly ByteRange[], length: number, contentType: string | null, random: Random) {
    const boundary = makeBoundary(random);
    const type = contentType === null ? "" : `Content-Type: ${contentType}\r\n`;
    this.contentType = `multipart/byteranges; boundary=${boundary}`;
    this.parts = ranges.map((range, i) => ({
      ...range,
      head: `${i === 0 ? "" : "\r\n"}--${boundary}\r\n${type}Content-Range: ${contentRange(range, length)}\r\n\r\n`,
    }));
    this.end = `\r\n--${boundary}--\r\n`;
    this.length = this.parts.reduce(
      (sum, { head, start, end }) => sum + head.length + end - start,
      this.end.length,
    );
  }
}

/** 96 random bits: a body that holds it by chance, or by somebody's choice, isn't to be expected. */
function makeBoundary(random: Random): string {
  let boundary = "";
  for (let i = 0; i < 3; i++) {
    boundary += Math.floor(random.next() * 2 ** 32)
      .toString(16)
      .padStart(8, "0");
  }
  return boundary;
}
