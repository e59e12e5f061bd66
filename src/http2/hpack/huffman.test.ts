import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { CODE, CODE_LENGTH, END_OF_STRING } from "./huffman-code.ts";
import { decodedRoom, decodedSize, decodeHuffman } from "./huffman-decoder.ts";
import { encodeHuffman, huffmanSize } from "./huffman-encoder.ts";

function encode(bytes: Buffer): Buffer {
  const out = Buffer.alloc(huffmanSize(bytes, 0, bytes.length));
  assert.equal(encodeHuffman(bytes, 0, bytes.length, out, 0), out.length);
  return out;
}

function decode(bytes: Buffer): Buffer | null {
  const out = Buffer.alloc(decodedRoom(bytes.length));
  const end = decodeHuffman(bytes, 0, bytes.length, out, 0);
  assert.equal(decodedSize(bytes, 0, bytes.length), end);
  return end < 0 ? null : out.subarray(0, end);
}

/** Bits as bytes, the last one filled up with ones. */
function fromBits(bits: string): Buffer {
  const octets = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1").match(/.{8}/g) ?? [];
  return Buffer.from(octets.map((octet) => Number.parseInt(octet, 2)));
}

describe("the Huffman code", () => {
  test("is complete: no sequence of bits is left without a meaning", () => {
    const share = CODE_LENGTH.reduce((sum, length) => sum + 2 ** -length, 0);
    assert.equal(share, 1);
  });

  test("has the codes of RFC 7541 Appendix B", () => {
    const samples: [number, number, number][] = [
      [0, 0x1ff8, 13],
      [10, 0x3ffffffc, 30],
      ["0".charCodeAt(0), 0, 5],
      ["A".charCodeAt(0), 0x21, 6],
      ["\\".charCodeAt(0), 0x7fff0, 19],
      ["z".charCodeAt(0), 0x7b, 7],
      [207, 0x1ffffed, 25],
      [249, 0xffffffe, 28],
      [END_OF_STRING, 0x3fffffff, 30],
    ];
    for (const [symbol, code, length] of samples) {
      assert.deepEqual([symbol, CODE[symbol], CODE_LENGTH[symbol]], [symbol, code, length]);
    }
  });
});

describe("Huffman strings", () => {
  test("come back as they were, whatever bytes they hold", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.array(fc.integer({ min: 0xc0, max: 0xff })),
      fc.string().map((text) => [...Buffer.from(text)]),
    );
    fc.assert(
      fc.property(bytes, (values) => {
        assert.deepEqual(decode(encode(Buffer.from(values))), Buffer.from(values));
      }),
      { numRuns: 500 },
    );
  });

  test("may be padded with up to seven ones", () => {
    for (const text of ["", "a", "aa", "aaa", "aaaa", "aaaaa", "aaaaaa", "aaaaaaa"]) {
      assert.equal(decode(encode(Buffer.from(text)))?.toString(), text);
    }
  });

  test("are refused with padding of a whole byte", () => {
    assert.equal(decode(Buffer.of(0xff)), null);
    assert.equal(decode(Buffer.concat([encode(Buffer.from("aaaaaaaa")), Buffer.of(0xff)])), null);
  });

  test("are refused with padding that holds a zero", () => {
    assert.equal(decode(fromBits("00011000")), null);
    assert.equal(decode(fromBits("00011110")), null);
    assert.equal(decode(fromBits("00011111"))?.toString(), "a");
  });

  test("are refused when they break off within a code", () => {
    assert.equal(decode(Buffer.of(0xff, 0xff, 0xfe)), null);
  });

  test("are refused with the end symbol in them", () => {
    assert.equal(decode(fromBits("1".repeat(30))), null);
    assert.equal(decode(fromBits(`00011${"1".repeat(30)}00011`)), null);
  });
});
