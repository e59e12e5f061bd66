import { At } from "./meta-layout.ts";

/** What changes in a meta while its response stays the same: what is known of purges, and how long its body turned out to be. */
const CHANGING: readonly (readonly [start: number, end: number])[] = [
  [At.Flags, At.ResponseTime],
  [At.BodyLength, At.Lifetime],
  [At.Generation, At.Epoch],
];

/** Whether two metas are of the same response. */
export function isSameResponse(one: Buffer, other: Buffer): boolean {
  if (one.length !== other.length) return false;
  let from = 0;
  for (const [start, end] of CHANGING) {
    if (one.compare(other, from, start, from, start) !== 0) return false;
    from = end;
  }
  return one.compare(other, from, other.length, from, one.length) === 0;
}

/** A copy of the meta of a response whose body is all there: it can be read along wherever it goes. */
export function withBodyLength(meta: Buffer, length: number): Buffer {
  const copy = Buffer.from(meta);
  copy.writeDoubleLE(length, At.BodyLength);
  return copy;
}
