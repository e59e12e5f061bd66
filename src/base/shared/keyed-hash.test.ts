import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyedHash } from "./keyed-hash.ts";

/** The text whose units are the bytes 0, 1, 2, … , two in each. */
function textOf(bytes: number): string {
  const units = Array.from({ length: bytes / 2 }, (_, i) => (2 * i) | ((2 * i + 1) << 8));
  return String.fromCharCode(...units);
}

function hexOf(hash: KeyedHash, text: string): string {
  hash.of(text);
  const bytes = Buffer.alloc(8);
  bytes.writeInt32LE(hash.low, 0);
  bytes.writeInt32LE(hash.high, 4);
  return bytes.toString("hex");
}

test("is HalfSipHash-2-4, as its authors' vectors have it", () => {
  const hash = new KeyedHash(0x03020100, 0x07060504);
  const vectors = [
    [0, "218d1f59b9b83cc8"],
    [2, "064f39ef7c50eb57"],
    [4, "d5e78a175be52ea1"],
    [6, "ce3e91358aa2bc25"],
    [8, "edfee820bce4858c"],
    [10, "95b0469f06a6f2ee"],
    [16, "7336aad25f7bf3b5"],
    [24, "70741045ae3fa6f1"],
    [26, "0d899ed8112923f0"],
  ] as const;
  for (const [bytes, expected] of vectors)
    assert.equal(hexOf(hash, textOf(bytes)), expected, `${bytes} bytes`);
});

test("is another one with another key", () => {
  const texts = ["", "a", "192.0.2.1", "2001:db8::/64"];
  const one = new KeyedHash(1, 2);
  for (const other of [new KeyedHash(2, 1), new KeyedHash(1, 3), new KeyedHash(-1, 2)]) {
    for (const text of texts) assert.notEqual(hexOf(one, text), hexOf(other, text));
  }
});

test("tells keys apart that differ by a unit, its upper half or their length", () => {
  const hash = new KeyedHash(5, 6);
  const texts = [
    "",
    "\0",
    "\0\0",
    "a",
    "a\0",
    "\u0161",
    "aa",
    "a\u0161",
    "ab",
    "ba",
    "a".repeat(256),
    "a".repeat(128),
  ];
  assert.equal(new Set(texts.map((text) => hexOf(hash, text))).size, texts.length);
});
