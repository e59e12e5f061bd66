import { CODE, CODE_LENGTH } from "./huffman-code.ts";

/** Bytes that `bytes[start..end)` takes as a Huffman string. */
export function huffmanSize(bytes: Buffer, start: number, end: number): number {
  let bits = 0;
  for (let from = start; from < end; from++) bits += CODE_LENGTH[bytes[from]!]!;
  return (bits + 7) >> 3;
}

/** Bits of the length in a short code. */
const LENGTH_BITS = 4;
/** Longest of the short codes: those of all visible ASCII but the backslash. */
const SHORT = 15;
/** Codes and lengths of up to 15 bits in one number, 0 for longer ones. */
const SHORT_CODE: Int32Array = Int32Array.from({ length: 256 }, (_, symbol) => {
  const length = CODE_LENGTH[symbol]!;
  return length > SHORT ? 0 : (CODE[symbol]! << LENGTH_BITS) | length;
});

/** Writes `bytes[start..end)` as a Huffman string, without its length; returns where it ends in `out`. */
export function encodeHuffman(bytes: Buffer, start: number, end: number, out: Buffer, at: number): number {
  let to = at;
  // At most 15 bits wait, so that a short code always fits beside them.
  let waiting = 0;
  let bits = 0;
  for (let from = start; from < end; from++) {
    const symbol = bytes[from]!;
    const short = SHORT_CODE[symbol]!;
    if (short !== 0) {
      const length = short & SHORT;
      waiting = (waiting << length) | (short >> LENGTH_BITS);
      bits += length;
    } else {
      // A long code is two short ones.
      const rest = CODE_LENGTH[symbol]! - SHORT;
      waiting = (waiting << SHORT) | (CODE[symbol]! >>> rest);
      bits += SHORT;
      if (bits >= 16) {
        out[to++] = waiting >>> (bits - 8);
        out[to++] = waiting >>> (bits - 16);
        bits -= 16;
      }
      waiting = (waiting << rest) | (CODE[symbol]! & ((1 << rest) - 1));
      bits += rest;
    }
    if (bits < 16) continue;
    out[to++] = waiting >>> (bits - 8);
    out[to++] = waiting >>> (bits - 16);
    bits -= 16;
  }
  return bits === 0 ? to : writePadded(waiting, bits, out, to);
}

/** The padding is the beginning of the end symbol, which is all ones. */
function writePadded(waiting: number, bits: number, out: Buffer, at: number): number {
  const padded = (waiting << (16 - bits)) | (0xffff >> bits);
  out[at] = padded >> 8;
  if (bits <= 8) return at + 1;
  out[at + 1] = padded;
  return at + 2;
}
