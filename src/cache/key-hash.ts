const ROUNDS = 8;
/** Bytes that are mixed in at once. */
const BLOCK = 16;
const BLOCK_WORDS = BLOCK / Int32Array.BYTES_PER_ELEMENT;
/** Room for most keys; longer ones get more. */
const USUAL = 512;

/**
 * Chaskey of texts, 128 bits, a byte for each character (N. Mouha, B. Mennink, A. Van Herrewege, D. Watanabe, B. Preneel and
 * I. Verbauwhede, "Chaskey: An Efficient MAC Algorithm for 32-bit Microcontrollers"). Keys come from clients: with a hash
 * that has no secret they could be made to fall together in a store. It has words of 32 bits, which JavaScript is fast at, and
 * one pass for all 128; the text is compared as well, so that a shorter one of its variants is good enough.
 *
 * Characters above 255 are hashed by their low byte: texts that differ in the rest fall together, no more.
 */
export class KeyHash {
  /** The hash of what was hashed last; the same array each time. */
  readonly words: Int32Array = new Int32Array(4);
  readonly #key: Int32Array;
  /** What the last block is mixed with: one that is full, one that had to be filled up. */
  readonly #full: Int32Array;
  readonly #filled: Int32Array;
  /** What was hashed last, and the same as words. */
  #bytes: Buffer = Buffer.alloc(0);
  #blocks: Int32Array = new Int32Array(0);
  #length = -1;
  /** The text that it was, or else what it began with. */
  #text: string | null = null;
  #beginning: Buffer | null = null;

  /** @param secret 128 bits in four words, the same in all threads that share memory */
  constructor(secret: ArrayLike<number>) {
    this.#key = Int32Array.from(secret);
    this.#full = timesTwo(this.#key);
    this.#filled = timesTwo(this.#full);
    this.#makeRoom(USUAL);
  }

  /** @returns `words`. The text that was hashed last costs nothing. */
  of(text: string): Int32Array {
    if (text === this.#text) return this.words;
    this.#makeRoom(text.length);
    this.#bytes.write(text, "latin1");
    this.#text = text;
    this.#beginning = null;
    this.#hash(text.length);
    return this.words;
  }

  /**
   * Likewise of a text that is there as bytes.
   * @param beginning the same object for the same bytes
   * @param bytes of which `bytes[start..end)` follow it
   */
  ofBytes(beginning: Buffer, bytes: Buffer, start: number, end: number): Int32Array {
    const length = beginning.length + end - start;
    let isSame = beginning === this.#beginning && length === this.#length;
    if (!isSame) this.#begin(beginning, length);
    const kept = this.#bytes;
    for (let from = start, at = beginning.length; from < end; from++, at++) {
      const byte = bytes[from]!;
      if (kept[at] === byte) continue;
      kept[at] = byte;
      isSame = false;
    }
    if (!isSame) this.#hash(length);
    return this.words;
  }

  #begin(beginning: Buffer, length: number): void {
    this.#makeRoom(length);
    beginning.copy(this.#bytes);
    this.#beginning = beginning;
    this.#text = null;
  }

  /** For so many bytes, and what a last block is filled up with. */
  #makeRoom(length: number): void {
    if (length + BLOCK <= this.#bytes.length) return;
    const memory = new ArrayBuffer(2 * Math.ceil(length / BLOCK) * BLOCK + BLOCK);
    this.#bytes = Buffer.from(memory);
    this.#blocks = new Int32Array(memory);
  }

  #hash(length: number): void {
    const blocks = this.#blocks;
    const lastBlock = Math.max(0, Math.ceil(length / BLOCK) - 1);
    const last = lastBlock * BLOCK_WORDS;
    const isFull = length === (lastBlock + 1) * BLOCK;
    if (!isFull) this.#fillUp(length, (lastBlock + 1) * BLOCK);
    const finish = isFull ? this.#full : this.#filled;
    const { words } = this;
    words.set(this.#key);
    for (let at = 0; at < last; at += BLOCK_WORDS) {
      mix(words, blocks, at);
      permute(words);
    }
    mix(words, blocks, last);
    mix(words, finish, 0);
    permute(words);
    mix(words, finish, 0);
    this.#length = length;
  }

  /** A 1 behind the text, then zeros. */
  #fillUp(length: number, end: number): void {
    const bytes = this.#bytes;
    bytes[length] = 1;
    for (let at = length + 1; at < end; at++) bytes[at] = 0;
  }
}

function mix(words: Int32Array, others: Int32Array, at: number): void {
  for (let i = 0; i < BLOCK_WORDS; i++) words[i]! ^= others[at + i]!;
}

function permute(words: Int32Array): void {
  let v0 = words[0]!;
  let v1 = words[1]!;
  let v2 = words[2]!;
  let v3 = words[3]!;
  for (let round = 0; round < ROUNDS; round++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 13) | (v3 >>> 19)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 7) | (v1 >>> 25)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  words[0] = v0;
  words[1] = v1;
  words[2] = v2;
  words[3] = v3;
}

/** Doubling in the field of 2^128. */
function timesTwo(key: Int32Array): Int32Array {
  const carry = key[3]! < 0 ? 0x87 : 0;
  return Int32Array.of(
    (key[0]! << 1) ^ carry,
    (key[1]! << 1) | (key[0]! >>> 31),
    (key[2]! << 1) | (key[1]! >>> 31),
    (key[3]! << 1) | (key[2]! >>> 31),
  );
}
