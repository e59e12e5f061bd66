import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Base64Decoder, Base64Encoder } from "./base64.ts";

/** Pieces of something, each with a word on whether it is waited for. */
const pieces = fc.array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.boolean()), { maxLength: 20 });

/** Decodes text that is cut wherever `cuts` say; null when it is refused. */
function decode(text: Buffer, cuts: readonly number[] = []): Buffer | null {
  const decoder = new Base64Decoder();
  const places = [...new Set([0, ...cuts.map((cut) => cut % (text.length + 1)), text.length])].sort(
    (a, b) => a - b,
  );
  const decoded: Buffer[] = [];
  for (let i = 0; i + 1 < places.length; i++) {
    const piece = decoder.decode(text, places[i]!, places[i + 1]!);
    if (piece === null) return null;
    decoded.push(piece);
  }
  return decoder.isWhole ? Buffer.concat(decoded) : null;
}

describe("base64, piece by piece", () => {
  test("comes back as it was, wherever it is cut", () => {
    fc.assert(
      fc.property(pieces, fc.array(fc.nat(2000), { maxLength: 30 }), (given, cuts) => {
        const encoder = new Base64Encoder();
        let text = "";
        for (const [piece, isFlushed] of given) {
          const bytes = Buffer.from(piece);
          text += encoder.encode(bytes, 0, bytes.length, isFlushed);
        }
        text += encoder.encode(Buffer.alloc(0), 0, 0, true);
        const whole = Buffer.concat(given.map(([piece]) => piece));
        assert.deepEqual(decode(Buffer.from(text), cuts), whole);
      }),
    );
  });

  test("leaves nothing behind when it is waited for, and less than a group otherwise", () => {
    fc.assert(
      fc.property(pieces, (given) => {
        const encoder = new Base64Encoder();
        let text = "";
        let size = 0;
        for (const [piece, isFlushed] of given) {
          const bytes = Buffer.from(piece);
          text += encoder.encode(bytes, 0, bytes.length, isFlushed);
          size += bytes.length;
          const sent = decode(Buffer.from(text))?.length ?? -1;
          assert.ok(isFlushed ? sent === size : size - sent <= 2, `${sent} of ${size}`);
        }
      }),
    );
  });

  test("is what everybody else makes of it", () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    assert.equal(new Base64Encoder().encode(bytes, 0, 256, true), bytes.toString("base64"));
    assert.deepEqual(decode(Buffer.from(bytes.toString("base64"))), bytes);
    assert.deepEqual(decode(Buffer.from("YQ==YmM=ZGVm")), Buffer.from("abcdef"));
    assert.deepEqual(decode(Buffer.alloc(0)), Buffer.alloc(0));
  });

  for (const text of [
    "YQ",
    "YQ=",
    "Y===",
    "=YQ=",
    "YQ=a",
    "YQ==\n",
    "YQ-_",
    "YR==",
    "YWJ=",
    "YWJj=",
    "\u00e9",
  ]) {
    test(`is refused when it is ${JSON.stringify(text)}`, () => {
      for (let at = 0; at <= text.length; at++) assert.equal(decode(Buffer.from(text), [at]), null);
    });
  }
});
