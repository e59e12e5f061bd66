import type { Part } from "./question.ts";

/** A part of a body that came. */
export interface FoundPart {
  readonly first: number;
  readonly last: number;
  /** Of the whole body, as it says. */
  readonly size: number;
  readonly bytes: Buffer;
}

/** What of a range is there in a body of `size` bytes; null: nothing. */
export function rangeIn([first, last]: Part, size: number): Part | null {
  return first >= size ? null : [first, Math.min(last, size - 1)];
}

/** The parts in a 206: one, or those of multipart/byteranges. What isn't well-formed is none. */
export function findParts(
  contentType: string,
  contentRange: string | undefined,
  body: Buffer,
): readonly FoundPart[] {
  const boundary = /^multipart\/byteranges;.*boundary="?([^";]+)/i.exec(contentType)?.[1];
  if (boundary === undefined) return partOf(contentRange, body);
  const found: FoundPart[] = [];
  const mark = Buffer.from(`--${boundary}`);
  for (let at = body.indexOf(mark); at !== -1; ) {
    const next = body.indexOf(mark, at + mark.length);
    const headEnd = body.indexOf("\r\n\r\n", at);
    if (next === -1 || headEnd === -1 || headEnd > next) break;
    const range = /^content-range: *(.+?)\r?$/im.exec(body.toString("latin1", at, headEnd + 2))?.[1];
    found.push(...partOf(range, body.subarray(headEnd + 4, next - 2)));
    at = next;
  }
  return found;
}

function partOf(range: string | undefined, bytes: Buffer): readonly FoundPart[] {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range ?? "");
  if (match === null) return [];
  return [{ first: Number(match[1]), last: Number(match[2]), size: Number(match[3]), bytes }];
}

/** The ranges that a request asks for. */
export function rangesOf(range: string): readonly Part[] {
  return [...range.matchAll(/(\d+)-(\d+)/g)].map(([, first, last]) => [Number(first), Number(last)] as const);
}

/** Several parts as one body. */
export function multipart(
  parts: readonly Part[],
  size: number,
  cut: (part: Part) => Buffer,
): { readonly type: string; readonly bytes: Buffer } {
  const pieces = parts.flatMap((part) => [
    Buffer.from(`\r\n--part\r\nContent-Range: bytes ${part[0]}-${part[1]}/${size}\r\n\r\n`),
    cut(part),
  ]);
  return {
    type: "multipart/byteranges; boundary=part",
    bytes: Buffer.concat([...pieces, Buffer.from("\r\n--part--\r\n")]),
  };
}
