import { Readable } from "node:stream";

/**
 * Bodies whose every byte follows from its offset, so that a receiver can prove that nothing was lost, doubled, moved
 * or taken from another body.
 *
 * The pattern repeats after a prime number of bytes: a shift by any buffer size or multiple of one shows. A seed starts
 * the pattern elsewhere, so that bytes of one connection don't pass for those of another.
 */
const period = 65_521;
const maxChunk = 65_536;
const seedStride = 7_919;

/** Long enough that a chunk can begin anywhere in the period without wrapping. */
const table = createTable();

function createTable(): Buffer {
  const bytes = Buffer.allocUnsafe(period + maxChunk);
  let state = 0x9e3779b9;
  for (let i = 0; i < period; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state >>> 24;
  }
  for (let i = period; i < bytes.length; i++) bytes[i] = bytes[i - period] ?? 0;
  return bytes;
}

/** A view of the pattern from `offset` on, at most `length` bytes and at most 64 KiB. Not to be written to. */
export function patternView(length: number, offset = 0, seed = 0): Buffer {
  const start = (offset + seed * seedStride) % period;
  return table.subarray(start, start + Math.min(length, maxChunk));
}

/** A copy of `length` bytes of the pattern. */
export function patternBytes(length: number, offset = 0, seed = 0): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let filled = 0; filled < length; ) {
    filled += patternView(length - filled, offset + filled, seed).copy(bytes, filled);
  }
  return bytes;
}

/** The same bytes as a stream that makes them only as fast as they are read. */
export function patternStream(length: number, seed = 0): Readable {
  let offset = 0;
  return new Readable({
    read() {
      const chunk = patternView(length - offset, offset, seed);
      offset += chunk.length;
      this.push(chunk.length === 0 ? null : chunk);
    },
  });
}

/** Checks a body as it arrives, at the price of one comparison of memory. */
export class PatternVerifier {
  readonly #seed: number;
  #offset: number;

  constructor(seed = 0, offset = 0) {
    this.#seed = seed;
    this.#offset = offset;
  }

  /** The bytes seen so far, all of them right. */
  get offset(): number {
    return this.#offset;
  }

  /** Throws at the first wrong byte, with its offset in the body. */
  write(chunk: Uint8Array): void {
    for (let done = 0; done < chunk.length; ) {
      const expected = patternView(chunk.length - done, this.#offset, this.#seed);
      const actual = chunk.subarray(done, done + expected.length);
      if (expected.compare(actual) !== 0) throw this.#mismatch(expected, actual);
      done += expected.length;
      this.#offset += expected.length;
    }
  }

  #mismatch(expected: Uint8Array, actual: Uint8Array): Error {
    const at = actual.findIndex((byte, i) => byte !== expected[i]);
    const wanted = Buffer.from(expected.subarray(at, at + 8)).toString("hex");
    const got = Buffer.from(actual.subarray(at, at + 8)).toString("hex");
    return new Error(`the body differs at byte ${this.#offset + at}: wanted ${wanted}, got ${got}`);
  }
}
