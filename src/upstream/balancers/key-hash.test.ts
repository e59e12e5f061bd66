import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { hashKey, mixHash } from "./key-hash.ts";

test("is the CRC-32 of the bytes", () => {
  assert.equal(hashKey(""), 0);
  assert.equal(hashKey("123456789"), 0xcbf43926 | 0);
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      assert.equal(hashKey(bytes), crc32(bytes) | 0);
      assert.equal(hashKey(Buffer.from(bytes).toString("latin1")), crc32(bytes) | 0);
    }),
  );
});

test("is that of the UTF-8 for texts that aren't bytes", () => {
  assert.equal(hashKey("\u00e9 costs 5 \u20ac"), crc32(Buffer.from("\u00e9 costs 5 \u20ac")) | 0);
});

test("mixes without losing any", () => {
  const mixed = new Set(Array.from({ length: 10_000 }, (_, hash) => mixHash(hash)));
  assert.equal(mixed.size, 10_000);
  for (const hash of mixed) assert.equal(hash, hash | 0);
});
