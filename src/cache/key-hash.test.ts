import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyHash } from "./key-hash.ts";

const KEY = [0x833d3433, 0x009f389f, 0x2398e64f, 0x417acf39];

/** The text whose characters are the bytes 0, 1, 2, … */
function textOf(length: number): string {
  return String.fromCharCode(...Array.from({ length }, (_, i) => i));
}

function hexOf(hash: KeyHash, text: string): string {
  return Array.from(hash.of(text), (word) => (word >>> 0).toString(16).padStart(8, "0")).join(" ");
}

test("is Chaskey, as its authors' vectors have it", () => {
  const hash = new KeyHash(KEY);
  const vectors = [
    [0, "792e8fe5 75ce87aa 2d1450b5 1191970b"],
    [1, "13a9307b 50e62c89 4577bd88 c0bbdc18"],
    [2, "55df8922 2c7ff577 73809ef4 4e5084c0"],
    [3, "1bdbb264 a07680d8 8e5b2ab8 20660413"],
    [4, "30b2d171 e38532fb 16707c16 73ed45f0"],
    [5, "bc983d0c 31b14064 234cd7a2 0c92bbf9"],
    [8, "09330f69 62b5dce0 a4fba462 f20d3c12"],
    [15, "51b94da4 efcc4de8 192412ea bbc170dd"],
    [16, "79271ca9 d66a1c71 81ca474e 49831cad"],
    [17, "048da968 4e25d096 2d6cf897 bc3959ca"],
    [32, "60b3f7af 37eee7c8 836cfd98 782ca060"],
    [33, "df44ea33 b0b2c398 0583ce6f 846d823e"],
    [63, "9047fad7 88136d8c a488286b 7fe9352c"],
  ] as const;
  for (const [length, expected] of vectors) {
    assert.equal(hexOf(hash, textOf(length)), expected, `${length} bytes`);
  }
});

test("is another one with another secret", () => {
  for (let word = 0; word < 4; word++) {
    const secret = KEY.map((value, i) => (i === word ? value ^ 1 : value));
    for (const text of ["", "a", "https://example.com/a/path?that=is&longer"]) {
      assert.notEqual(hexOf(new KeyHash(secret), text), hexOf(new KeyHash(KEY), text));
    }
  }
});
