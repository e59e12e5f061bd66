import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { holdMore } from "./held-bytes.ts";

test("pieces add up, also after some of them were used", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uint8Array({ maxLength: 700 }), fc.nat({ max: 400 }))), (steps) => {
      let held: Buffer | null = null;
      let expected = Buffer.alloc(0);
      for (const [piece, used] of steps) {
        const source = Buffer.concat([Buffer.from("ab"), piece, Buffer.from("cd")]);
        held = holdMore(held, source, 2, 2 + piece.length);
        source.fill(0);
        expected = Buffer.concat([expected, piece]);
        assert.ok(held.equals(expected));
        const rest = Math.min(used, held.length);
        held = held.subarray(rest);
        expected = expected.subarray(rest);
      }
    }),
  );
});

test("what was held before is not changed: a pending write may refer to it", () => {
  const first = holdMore(null, Buffer.from("abc"), 0, 3);
  const second = holdMore(first, Buffer.from("def"), 0, 3);
  assert.equal(first.toString(), "abc");
  assert.equal(second.toString(), "abcdef");
  assert.equal(second.buffer, first.buffer);
});

test("single bytes are not copied over and over", () => {
  const memories = new Set<ArrayBufferLike>();
  const byte = Buffer.from("x");
  let held: Buffer | null = null;
  for (let i = 0; i < 65_536; i++) {
    held = holdMore(held, byte, 0, 1);
    memories.add(held.buffer);
  }
  assert.equal(held?.length, 65_536);
  assert.ok(memories.size <= 8, `${memories.size} allocations`);
});
