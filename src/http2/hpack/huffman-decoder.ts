import { BYTE_FLAGS } from "./field-kinds.ts";
import { CODE, CODE_LENGTH, END_OF_STRING } from "./huffman-code.ts";

/**
 * Huffman strings are decoded a byte at a time. A state is an inner node of the code's tree: what is left of a code that
 * began in an earlier byte. No code is shorter than five bits, so a byte ends two symbols at most:
 *
 *     entry:  | failed | … | byte flags (2) | symbols (2) | next state (8) | second symbol (8) | first symbol (8) |
 */
const FAILED = 1 << 31;
const COUNT_AT = 24;
const STATE_AT = 16;
const STATES = 256;

/** Children of the inner nodes, two each: another inner node, or the complement of a symbol. */
const children = new Int16Array(STATES * 2);
growTree();

const transitions: Int32Array = allTransitions();
/** 1 for the states in which a string may end: after at most seven bits of padding, all of them 1. */
const mayEnd: Uint8Array = endingStates();

function growTree(): void {
  let nodes = 1;
  for (let symbol = 0; symbol <= END_OF_STRING; symbol++) {
    let node = 0;
    for (let bit = CODE_LENGTH[symbol]! - 1; bit > 0; bit--) {
      const branch = node * 2 + ((CODE[symbol]! >>> bit) & 1);
      if (children[branch] === 0) children[branch] = nodes++;
      node = children[branch]!;
    }
    children[node * 2 + (CODE[symbol]! & 1)] = ~symbol;
  }
}

function allTransitions(): Int32Array {
  const table = new Int32Array(STATES * 256);
  for (let state = 0; state < STATES; state++) {
    for (let byte = 0; byte < 256; byte++) table[(state << 8) | byte] = transition(state, byte);
  }
  return table;
}

function transition(state: number, byte: number): number {
  let node = state;
  let entry = 0;
  let count = 0;
  for (let bit = 7; bit >= 0; bit--) {
    const child = children[node * 2 + ((byte >> bit) & 1)]!;
    if (child >= 0) {
      node = child;
      continue;
    }
    const symbol = ~child;
    if (symbol === END_OF_STRING) return FAILED;
    entry |= (symbol << (8 * count)) | BYTE_FLAGS[symbol]!;
    count++;
    node = 0;
  }
  return entry | (count << COUNT_AT) | (node << STATE_AT);
}

function endingStates(): Uint8Array {
  const ending = new Uint8Array(STATES);
  let node = 0;
  for (let ones = 0; ones < 8; ones++) {
    ending[node] = 1;
    node = children[node * 2 + 1]!;
  }
  return ending;
}

/** The byte flags (`field-kinds.ts`) of all that the last call of `decodeHuffman` decoded. */
export let decodedFlags = 0;

/**
 * Decodes `bytes[start..end)` to `out` at `at`, where `decodedRoom` bytes must be free. Returns where it ends there, -1 for
 * what is no Huffman string: the end symbol in it, or padding that is too long or not of its bits.
 */
export function decodeHuffman(bytes: Buffer, start: number, end: number, out: Buffer, at: number): number {
  let to = at;
  let state = 0;
  let flags = 0;
  for (let from = start; from < end; from++) {
    const entry = transitions[(state << 8) | bytes[from]!]!;
    out[to] = entry;
    out[to + 1] = entry >> 8;
    to += (entry >> COUNT_AT) & 3;
    state = (entry >> STATE_AT) & 255;
    flags |= entry;
  }
  decodedFlags = flags;
  return flags < 0 || mayEnd[state] === 0 ? -1 : to;
}

/** Bytes that a Huffman string of `length` bytes may need when decoded, and the byte that is written behind. */
export function decodedRoom(length: number): number {
  return Math.ceil((length * 8) / 5) + 2;
}

/** How long `bytes[start..end)` is when decoded, -1 for what is no Huffman string. */
export function decodedSize(bytes: Buffer, start: number, end: number): number {
  let size = 0;
  let state = 0;
  let flags = 0;
  for (let from = start; from < end; from++) {
    const entry = transitions[(state << 8) | bytes[from]!]!;
    size += (entry >> COUNT_AT) & 3;
    state = (entry >> STATE_AT) & 255;
    flags |= entry;
  }
  return flags < 0 || mayEnd[state] === 0 ? -1 : size;
}
