/** The symbol that never occurs in a string; its first bits are the padding (RFC 7541 §5.2). */
export const END_OF_STRING = 256;
const SYMBOLS = 257;

/** The lengths of all codes in bits (RFC 7541 Appendix B), a digit of base 36 for each symbol. */
const LENGTHS =
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad67777777777777777777777878djde6f56565666577666567655677777f" +
  "bedskmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmnqqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq" +
  "u";

/** Bits of each symbol's code. */
export const CODE_LENGTH: Uint8Array = Uint8Array.from(LENGTHS, (digit) => Number.parseInt(digit, 36));

/** Each symbol's code, right-aligned. */
export const CODE: Uint32Array = canonicalCodes();

/** The code is canonical: lengths alone define it, codes of one length are in the order of their symbols. */
function canonicalCodes(): Uint32Array {
  const codes = new Uint32Array(SYMBOLS);
  let next = 0;
  for (let length = 1; length <= 30; length++) {
    for (let symbol = 0; symbol < SYMBOLS; symbol++) {
      if (CODE_LENGTH[symbol] === length) codes[symbol] = next++;
    }
    next *= 2;
  }
  return codes;
}
