// In a process of its own: it measures memory.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { SentBytes } from "./sent-bytes.ts";

/** What is handed out, piece by piece: the very memory, as a server's connection would write it. */
function piecesOf(sent: SentBytes): Buffer[] {
  const pieces: Buffer[] = [];
  sent.replay((bytes, start, end) => void pieces.push(bytes.subarray(start, end)));
  return pieces;
}

describe("bytes that were sent", () => {
  test("are handed out again as they were, whatever pieces they came in", () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 200_000 })));
    fc.assert(
      fc.property(sizes, (lengths) => {
        const sent = new SentBytes();
        const all: Buffer[] = [];
        for (const [i, length] of lengths.entries()) {
          const bytes = Buffer.alloc(length + 2, i);
          sent.add(bytes, 1, length + 1);
          all.push(Buffer.alloc(length, i));
          bytes.fill(0xff);
        }
        assert.ok(Buffer.concat(piecesOf(sent)).equals(Buffer.concat(all)));
        assert.ok(Buffer.concat(piecesOf(sent)).equals(Buffer.concat(all)));
      }),
      { numRuns: 30 },
    );
  });

  test("use memory again that nobody refers to any more", () => {
    const bytes = Buffer.alloc(60_000, 1);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 1_000; i++) {
      const sent = new SentBytes();
      sent.add(bytes, 0, bytes.length);
      sent.drop();
      assert.deepEqual(piecesOf(sent), []);
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000);
  });

  test("keep the memory that a write may still refer to", () => {
    const sent = new SentBytes();
    sent.replay(() => assert.fail("there is nothing yet"));
    const bytes = Buffer.alloc(60_000, 1);
    sent.add(bytes, 0, bytes.length);
    const [pending] = piecesOf(sent);
    sent.drop();
    const next = new SentBytes();
    next.add(Buffer.alloc(60_000, 2), 0, 60_000);
    assert.notEqual(piecesOf(next)[0]?.buffer, pending?.buffer);
    assert.ok(pending?.equals(bytes));
  });

  test("that are few take no memory of their own", () => {
    const sent = new SentBytes();
    sent.add(Buffer.alloc(100), 0, 100);
    assert.equal(piecesOf(sent)[0]?.buffer, Buffer.allocUnsafe(1).buffer);
  });
});
