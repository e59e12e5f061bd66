import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import * as fc from "fast-check";
import { KeptGzip } from "./kept-gzip.ts";

test("makes of every body what gzip makes of it, whatever came before", () => {
  const gzip = new KeptGzip(5);
  const noise = fc.uint8Array({ maxLength: 20_000 });
  const text = fc.string({ maxLength: 20_000 });
  fc.assert(
    fc.property(fc.oneof(noise, text), (body) => {
      const bytes = Buffer.from(body as string);
      const coded = gzip.encode(bytes);
      assert.deepEqual(coded, gzipSync(bytes, { level: 5 }));
      assert.deepEqual(gunzipSync(coded), bytes);
    }),
    { numRuns: 200 },
  );
});

test("takes its memory once, as it would no more if Node had changed", () => {
  const gzip = new KeptGzip(5);
  const first = gzip.encode(Buffer.from("one"));
  const second = gzip.encode(Buffer.from("two"));
  // The same memory: nothing was taken for it.
  assert.equal(first.buffer, second.buffer);
});
