const ROUNDS = 8;
/** Bytes that are mixed in at once. */
const BLOCK = 16;

/**
 * Chaskey of texts, 128 bits, a byte for each character (N. Mouha, B. Mennink, A. Van Herrewege, D. Watanabe, B. Preneel and
 * I. Verbauwhede, "Chaskey: An Efficient MAC Algorithm for 32-bit Microcontrollers"). Keys come from clients: with a hash
 * that has no secret they could be made to fall together in a store. It has words of 32 bits, which JavaScript is fast at, and
 * one pass for all 128; the text is compared as well, so that a shorter one of its variants is good enough.
 *
 * Characters above 255 are hashed by their low byte: texts that differ in the rest fall together, no more.
 */
export class KeyHash {
  /** The hash of the text that was hashed last; the same array each time. */
  readonly words: Int32Array = new Int32Array(4);
  readonly #key: Int32Array;
  /** What the last block is mixed with: one that is full, one that had to be filled up. */
  readonly #full: Int32Array;
  readonly #filled: Int32Array;
  #text: string | null = null;

  /** @param secret 128 bits in four words, the same in all threads and machines that share a store */
  constructor(secret: ArrayLike<number>) {
    this.#key = Int32Array.from(secret);
    this.#full = timesTwo(this.#key);
    this.#filled = timesTwo(this.#full);
  }

  /** @returns `words`. The text that was hashed last costs nothing. */
  of(text: string): Int32Array {
    if (text === this.#text) return this.words;
    this.#text = text;
    const { words } = this;
    words.set(this.#key);
    const last = Math.max(0, Math.ceil(text.length / BLOCK) - 1) * BLOCK;
    for (let at = 0; at < last; at += BLOCK) {
      for (let i = 0; i < 4; i++) words[i]! ^= wordAt(text, at + 4 * i);
      permute(words);
    }
    this.#end(text, last);
    return words;
  }

  #end(text: string, last: number): void {
    const { words } = this;
    const left = text.length - last;
    const finish = left === BLOCK ? this.#full : this.#filled;
    for (let i = 0; i < 4; i++) words[i]! ^= lastWordAt(text, last + 4 * i) ^ finish[i]!;
    permute(words);
    for (let i = 0; i < 4; i++) words[i]! ^= finish[i]!;
  }
}

/** Four characters as a word, of a text that has them. */
function wordAt(text: string, at: number): number {
  return (
    (text.charCodeAt(at) & 0xff) |
    ((text.charCodeAt(at + 1) & 0xff) << 8) |
    ((text.charCodeAt(at + 2) & 0xff) << 16) |
    (text.charCodeAt(at + 3) << 24)
  );
}

/** Likewise near the end of the text: a 1 follows it, then zeros. */
function lastWordAt(text: string, at: number): number {
  const { length } = text;
  if (at + 4 <= length) return wordAt(text, at);
  let word = 0;
  for (let i = 0; i < 4; i++) {
    if (at + i < length) word |= (text.charCodeAt(at + i) & 0xff) << (8 * i);
    else if (at + i === length) word |= 1 << (8 * i);
  }
  return word;
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
