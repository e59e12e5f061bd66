import { latin1 } from "../base/latin1.ts";
import { EMPTY_TABLE, type FieldTable } from "../http/field-table.ts";
import type { RequestSource, ResponseSource } from "../http/heads.ts";
import { HeadScan } from "./head-scan.ts";

/**
 * A received head, borrowed from the read slab through the thread's scan, or retained as one latin1 string: the cheapest
 * copy there is (about 0.1 µs for 1 KB, no buffer to free). The offsets are found again if somebody reads a field of a
 * retained head, which is rare: most later phases look at status, method and target, which are cached as strings.
 */
abstract class ReceivedHead {
  #scan: HeadScan | null;
  #text: string | null = null;

  constructor(scan: HeadScan) {
    this.#scan = scan;
  }

  retain(): void {
    if (this.#text !== null || this.#scan === null) return;
    this.#text = latin1(this.#scan.bytes, this.#scan.start, this.#scan.end);
  }

  settle(): void {
    this.#scan = null;
  }

  table(): FieldTable {
    return this.scan ?? EMPTY_TABLE;
  }

  /** The scan behind this head, read again from the retained text when it must be; null once the head is gone. */
  protected get scan(): HeadScan | null {
    if (this.#scan === null && this.#text !== null) {
      const bytes = Buffer.from(this.#text, "latin1");
      this.#scan = new HeadScan({
        requestLine: bytes.length,
        bytes: bytes.length,
        fields: countLines(bytes),
      });
      this.rescan(this.#scan, bytes);
    }
    return this.#scan;
  }

  protected abstract rescan(scan: HeadScan, bytes: Buffer): void;
}

export class ReceivedRequest extends ReceivedHead implements RequestSource {
  method(): string {
    const { scan } = this;
    return scan === null ? "" : methodName(scan.bytes, scan.start, scan.methodEnd);
  }

  target(): string {
    const { scan } = this;
    return scan === null ? "" : latin1(scan.bytes, scan.targetStart, scan.targetEnd);
  }

  get targetStart(): number {
    return this.scan?.targetStart ?? -1;
  }

  get targetEnd(): number {
    return this.scan?.targetEnd ?? -1;
  }

  /** Where the request line starts in the bytes, if it can be sent on as it is; else -1. */
  lineStart(): number {
    return startOfCurrentVersion(this.scan);
  }

  protected override rescan(scan: HeadScan, bytes: Buffer): void {
    scan.scanRequest(bytes, 0, bytes.length);
  }
}

export class ReceivedResponse extends ReceivedHead implements ResponseSource {
  reason(): string {
    const { scan } = this;
    return scan === null ? "" : latin1(scan.bytes, scan.reasonStart, scan.reasonEnd);
  }

  /**
   * Where the status line starts in the bytes, if it can be sent on as it is; else -1. Many a server leaves out the space
   * before an empty reason; a client may insist on it (RFC 9112 §4).
   */
  lineStart(): number {
    const { scan } = this;
    return scan !== null && scan.reasonStart > scan.start + STATUS_END ? startOfCurrentVersion(scan) : -1;
  }

  protected override rescan(scan: HeadScan, bytes: Buffer): void {
    scan.scanResponse(bytes, 0, bytes.length);
  }
}

/** Where the status of a status line ends: `HTTP/1.1 200`. */
const STATUS_END = 12;

/** We speak HTTP/1.1 whatever the sender spoke (RFC 9110 §2.5). */
function startOfCurrentVersion(scan: HeadScan | null): number {
  return scan !== null && scan.minorVersion === 1 ? scan.start : -1;
}

/** The method without making a string of the common ones. */
function methodName(bytes: Buffer, start: number, end: number): string {
  const first = bytes[start];
  const length = end - start;
  if (length === 3 && first === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54) return "GET";
  return latin1(bytes, start, end);
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (const byte of bytes) if (byte === 0x0a) lines++;
  return lines;
}
