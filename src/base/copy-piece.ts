/** Up to this length copying in a loop is cheaper than a call out of JavaScript. */
const SHORT_PIECE = 24;

/** Copies `bytes[start..end)` to where there is room for it; returns where that ends. */
export function copyPiece(bytes: Buffer, start: number, end: number, target: Buffer, at: number): number {
  if (end - start > SHORT_PIECE) return at + bytes.copy(target, at, start, end);
  let to = at;
  for (let from = start; from < end; from++) target[to++] = bytes[from]!;
  return to;
}
