import { PluginError } from "./plugin.ts";

/** Bytes of memory that an instance may have; there is one in each thread. */
const MOST_WASM_MEMORY = 64 * 1024 * 1024;
export const WASM_PAGE: number = 64 * 1024;

const MOST_PAGES = MOST_WASM_MEMORY / WASM_PAGE;

/** `\0asm`, and version 1. */
const HEADER = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const MEMORY_SECTION = 5;

/** Flags of a memory. */
const HAS_MAXIMUM = 1;
const IS_SHARED = 2;
const IS_64 = 4;

/** A section of a module: `bytes[start..end)` with its head, `body` where that ends. */
interface Section {
  readonly id: number;
  readonly start: number;
  readonly body: number;
  readonly end: number;
}

/** Reads numbers of a module. */
class Reader {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  byte(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw new PluginError("it ends in the middle");
    return byte;
  }

  /** An unsigned number of 32 bits in LEB128. */
  number(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new PluginError("it has a number that is too long");
  }
}

/**
 * A module whose memory can't grow past `MOST_WASM_MEMORY`: what a module says of its own memory is all that its growing is held
 * to, so that is what is changed. Whether the rest of it makes sense is for the compiler to find out.
 * @throws PluginError when it is no module, has no memory of its own or begins with more
 */
export function limitMemory(bytes: Uint8Array): Uint8Array {
  if (!HEADER.equals(bytes.subarray(0, HEADER.length)))
    throw new PluginError("it is no module of WebAssembly, version 1");
  for (let at = HEADER.length; at < bytes.length; ) {
    const section = sectionAt(bytes, at);
    if (section.id === MEMORY_SECTION)
      return Buffer.concat([
        bytes.subarray(0, section.start),
        limitedSection(bytes, section),
        bytes.subarray(section.end),
      ]);
    at = section.end;
  }
  throw new PluginError("it has no memory of its own");
}

function sectionAt(bytes: Uint8Array, start: number): Section {
  const reader = new Reader(bytes, start);
  const id = reader.byte();
  const length = reader.number();
  const end = reader.at + length;
  if (end > bytes.length) throw new PluginError("it ends in the middle");
  return { id, start, body: reader.at, end };
}

function limitedSection(bytes: Uint8Array, { body, end }: Section): Buffer {
  const reader = new Reader(bytes.subarray(0, end), body);
  const count = reader.number();
  const flags = reader.byte();
  if (count !== 1 || (flags & (IS_SHARED | IS_64)) !== 0)
    throw new PluginError("it has another memory than a single one of 32 bits that isn't shared");
  const least = reader.number();
  const most = (flags & HAS_MAXIMUM) === 0 ? MOST_PAGES : Math.min(reader.number(), MOST_PAGES);
  if (least > MOST_PAGES)
    throw new PluginError(
      `it begins with ${least * WASM_PAGE} bytes of memory; ${MOST_WASM_MEMORY} is the most`,
    );
  const limits = [1, HAS_MAXIMUM, ...unsigned(least), ...unsigned(most)];
  return Buffer.from([MEMORY_SECTION, limits.length, ...limits]);
}

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}
