import { CODE, CODE_LENGTH } from "./huffman-code.ts";

/** Bytes that `bytes[start..end)` takes as a Huffman string. */
export function huffmanSize(bytes: Buffer, start: number, end: number): number {
  let bits = 0;
  for (let from = start; from < end; from++) bits += CODE_LENGTH[bytes[from]!]!;
  return (bits + 7) >> 3;
}

/** Longer codes are written in two parts: with up to seven bits that wait, they don't fit into 32 bits. */
const LONGEST_AT_ONCE = 24;
const SECOND_PART = 16;

/** Writes `bytes[start..end)` as a Huffman string, without its length; returns where it ends in `out`. */
export function encodeHuffman(bytes: Buffer, start: number, end: number, out: Buffer, at: number): number {
  let to = at;
  let waiting = 0;
  let bits = 0;
  for (let from = start; from < end; from++) {
    const symbol = bytes[from]!;
    const code = CODE[symbol]!;
    let length = CODE_LENGTH[symbol]!;
    if (length > LONGEST_AT_ONCE) {
      length -= SECOND_PART;
      waiting = (waiting << length) | (code >>> SECOND_PART);
      for (bits += length; bits >= 8; bits -= 8) out[to++] = waiting >>> (bits - 8);
      length = SECOND_PART;
    }
    waiting = (waiting << length) | (length === SECOND_PART ? code & 0xffff : code);
    for (bits += length; bits >= 8; bits -= 8) out[to++] = waiting >>> (bits - 8);
  }
  // The padding is the beginning of the end symbol, which is all ones.
  if (bits > 0) out[to++] = (waiting << (8 - bits)) | (0xff >> bits);
  return to;
}
