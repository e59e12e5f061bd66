/** Rounds for each word of the text, and those that end it. */
const TEXT_ROUNDS = 2;
const END_ROUNDS = 4;

/**
 * HalfSipHash-2-4 of texts, 64 bits, over their UTF-16 units (J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast
 * short-input PRF", in its variant for 32-bit words). Keys come from clients: with a hash that has no secret, or that
 * only begins with one, they could be made to fall together, and so to push others out of a table.
 */
export class KeyedHash {
  /** The two halves of the hash that was made last, signed. */
  low = 0;
  high = 0;
  readonly #key0: number;
  readonly #key1: number;

  /** @param key0 the secret, 64 bits with the other one */
  constructor(key0: number, key1: number) {
    this.#key0 = key0 | 0;
    this.#key1 = key1 | 0;
  }

  of(text: string): void {
    const { length } = text;
    const words = length >>> 1;
    let v0 = this.#key0;
    let v1 = this.#key1 ^ 0xee;
    let v2 = 0x6c796765 ^ this.#key0;
    let v3 = 0x74656462 ^ this.#key1;
    // Two steps more than there are words end it, so that there is one place with the rounds.
    for (let step = 0; step <= words + 2; step++) {
      let word = 0;
      if (step < words) word = text.charCodeAt(2 * step) | (text.charCodeAt(2 * step + 1) << 16);
      else if (step === words)
        word = ((2 * length) << 24) | ((length & 1) === 0 ? 0 : text.charCodeAt(length - 1));
      else if (step === words + 1) v2 ^= 0xee;
      else {
        this.low = v1 ^ v3;
        v1 ^= 0xdd;
      }
      v3 ^= word;
      for (let rounds = step <= words ? TEXT_ROUNDS : END_ROUNDS; rounds > 0; rounds--) {
        v0 = (v0 + v1) | 0;
        v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
        v0 = (v0 << 16) | (v0 >>> 16);
        v2 = (v2 + v3) | 0;
        v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
        v0 = (v0 + v3) | 0;
        v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
        v2 = (v2 + v1) | 0;
        v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
        v2 = (v2 << 16) | (v2 >>> 16);
      }
      v0 ^= word;
    }
    this.high = v1 ^ v3;
  }
}
