import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as zlib from "node:zlib";
import * as fc from "fast-check";
import { CODING_KINDS } from "./codings.ts";
import { KeptEncoder, roomFor } from "./kept-encoder.ts";

const DECODERS = { gzip: zlib.gunzipSync, zstd: zlib.zstdDecompressSync };

for (const coding of ["gzip", "zstd"] as const) {
  describe(coding, () => {
    const encode = (bytes: Buffer): Buffer => CODING_KINDS[coding].encodeWhole(bytes, 5);

    test("makes of every body what it makes of it alone, whatever came before", () => {
      const noise = fc.uint8Array({ maxLength: 16_384 });
      const text = fc.string({ maxLength: 16_384 });
      const known = new Map<string, Buffer>();
      fc.assert(
        fc.property(fc.oneof(noise, text), (body) => {
          const bytes = Buffer.from(body as string);
          const coded = Buffer.from(encode(bytes));
          assert.ok(DECODERS[coding](coded).equals(bytes));
          assert.ok(coded.length < roomFor(bytes.length));
          known.set(bytes.toString("latin1"), coded);
        }),
        { numRuns: 100 },
      );
      for (const [bytes, coded] of [...known].reverse())
        assert.ok(encode(Buffer.from(bytes, "latin1")).equals(coded));
    });

    test("takes its memory once, as it would no more if Node had changed", () => {
      const first = encode(Buffer.from("one"));
      const second = encode(Buffer.from("two"));
      // The same memory: nothing was taken for it.
      assert.equal(first.buffer, second.buffer);
    });
  });
}

test("what can't be kept is made for each", () => {
  const encodeOnce = (bytes: Buffer): Buffer => Buffer.from(bytes);
  const kept = new KeptEncoder({ open: () => ({}), finish: 4, resets: true, encodeOnce });
  assert.equal(kept.encode(Buffer.from("one")).toString(), "one");
});
