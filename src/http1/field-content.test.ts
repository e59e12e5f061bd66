import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CHARACTER_CLASS, FIELD_VALUE } from "../http/characters.ts";
import { skipFieldContent, wordsOf } from "./field-content.ts";

/** The same by the table, a byte at a time. */
function skipSlowly(bytes: Buffer, from: number, end: number): number {
  let at = from;
  while (at < end && (CHARACTER_CLASS[bytes[at]!]! & FIELD_VALUE) !== 0) at++;
  return at;
}

/** Mostly content, so that the interesting byte comes late. */
const octet = fc.oneof(
  { weight: 30, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
  fc.integer({ min: 0, max: 255 }),
);

test("finds the end of field content where a byte by byte search does", () => {
  fc.assert(
    fc.property(
      fc.array(octet, { maxLength: 200 }),
      fc.nat(7),
      fc.nat(20),
      fc.nat(20),
      (octets, shift, skip, cut) => {
        const bytes = Buffer.from(new Uint8Array(octets.length + 8).buffer).subarray(
          shift,
          shift + octets.length,
        );
        bytes.set(octets);
        const from = Math.min(skip, octets.length);
        const end = Math.max(from, octets.length - cut);
        assert.equal(skipFieldContent(bytes, wordsOf(bytes), from, end), skipSlowly(bytes, from, end));
      },
    ),
    { numRuns: 5_000 },
  );
});

test("stops at each control character but tab, in every position of a word", () => {
  for (let octet = 0; octet < 256; octet++) {
    for (let position = 0; position < 12; position++) {
      const bytes = Buffer.alloc(16, "x");
      bytes[position] = octet;
      assert.equal(
        skipFieldContent(bytes, wordsOf(bytes), 0, 16),
        skipSlowly(bytes, 0, 16),
        `byte ${octet} at ${position}`,
      );
    }
  }
});

test("doesn't look past the end", () => {
  const bytes = Buffer.from("abcdefgh\r\n");
  for (let end = 0; end <= 8; end++) assert.equal(skipFieldContent(bytes, wordsOf(bytes), 0, end), end);
});
